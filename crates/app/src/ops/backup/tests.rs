//! A crash at every durable step of a backup leaves one that is whole: the old one or the new one.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ascribe_ledger::durable::{Interruption, Step};

use super::*;
use crate::ingest::Silent;
use crate::ops::{IngestRequest, ingest, init};

/// Fails every step from one on, as if the program had died there.
struct Dies {
    at: usize,
    steps: AtomicUsize,
}

impl Interruption for Dies {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        if self.steps.fetch_add(1, Ordering::Relaxed) >= self.at {
            Err(io::Error::other("died"))
        } else {
            Ok(())
        }
    }

    fn after(&self, _: Step, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fn take_in(root: &Path, name: &str) {
    let path = format!("{}/../../samples/incident/{name}", env!("CARGO_MANIFEST_DIR"));
    let paths = [path];
    let request =
        IngestRequest { paths: &paths, scope: Some("test"), workers: NonZeroUsize::MIN, progress: &Silent };
    ingest(root, &request).unwrap();
}

/// The note of the backup, once every file that it names is found whole.
fn whole(dest: &Path) -> String {
    let manifest = Manifest::read(&dest.join(MANIFEST)).unwrap().unwrap();
    for file in manifest.files.values() {
        assert_eq!(digest(&dest.join(DATA).join(&file.sha256), file.length).unwrap(), file.sha256);
    }
    manifest.checkpoint
}

#[test]
fn a_crash_at_any_step_leaves_a_whole_backup() {
    let folder = tempfile::tempdir().unwrap();
    let (root, dest) = (folder.path().join("evidence"), folder.path().join("backup"));
    init(&root, "example.com/ledger").unwrap();
    take_in(&root, "vault");
    backup(&root, &dest, Keys::Included, &Disk::default()).unwrap();
    let old = whole(&dest);
    take_in(&root, "AWSLogs");
    let new = fs::read_to_string(root.join("ledger/checkpoint")).unwrap();
    let mut step = 0;
    loop {
        let dies = Arc::new(Dies { at: step, steps: AtomicUsize::new(0) });
        let ended = backup(&root, &dest, Keys::Included, &Disk::interrupted_by(dies));
        let found = whole(&dest);
        assert!(found == old || found == new, "step {step}");
        if ended.is_ok() {
            assert_eq!(found, new);
            break;
        }
        step += 1;
    }
    assert!(step > 5, "{step} steps");
    let named = Manifest::read(&dest.join(MANIFEST)).unwrap().unwrap().digests();
    assert_eq!(list(&dest.join(DATA)).unwrap().len(), named.len(), "nothing else is left");
    let to = folder.path().join("restored");
    assert_eq!(restore(&dest, &to).unwrap().anchor, RestoredAnchor::Restored);
}

#[test]
fn a_backup_during_an_ingest_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("evidence");
    init(&root, "example.com/ledger").unwrap();
    take_in(&root, "vault");
    let taking = std::thread::spawn({
        let root = root.clone();
        move || ["AWSLogs", "kubernetes", "github"].into_iter().for_each(|name| take_in(&root, name))
    });
    let mut sizes = Vec::new();
    // The last one begins behind the ingests.
    for turn in 0.. {
        let is_last = taking.is_finished();
        let (dest, to) =
            (folder.path().join(format!("backup-{turn}")), folder.path().join(format!("restored-{turn}")));
        backup(&root, &dest, Keys::Included, &Disk::default()).unwrap();
        whole(&dest);
        sizes.push(restore(&dest, &to).unwrap().entries);
        if is_last {
            break;
        }
    }
    taking.join().unwrap();
    assert!(sizes.is_sorted(), "{sizes:?}");
    let whole_ledger =
        restore(&folder.path().join(format!("backup-{}", sizes.len() - 1)), &folder.path().join("again"));
    assert_eq!(Some(&whole_ledger.unwrap().entries), sizes.last());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what a broken-off run left need not be durable")]
fn what_a_broken_off_restore_left_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let (root, dest) = (folder.path().join("evidence"), folder.path().join("backup"));
    init(&root, "example.com/ledger").unwrap();
    take_in(&root, "vault");
    backup(&root, &dest, Keys::Included, &Disk::default()).unwrap();
    let manifest = Manifest::read(&dest.join(MANIFEST)).unwrap().unwrap();
    let to = folder.path().join("restored");
    let left = folder.path().join("restored.restoring");
    // Killed behind any of its files: those before are there, the last perhaps cut off.
    for count in 0..=manifest.files.len() {
        for (name, file) in manifest.files.iter().take(count) {
            let path = left.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = fs::read(dest.join(DATA).join(&file.sha256)).unwrap();
            bytes.truncate(bytes.len() / 2);
            fs::write(path, bytes).unwrap();
        }
        assert_eq!(restore(&dest, &to).unwrap().anchor, RestoredAnchor::Restored, "{count} files");
        assert!(!left.exists());
        fs::remove_dir_all(&to).unwrap();
    }
}
