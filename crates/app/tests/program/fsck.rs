//! `ascribe ledger fsck` names exactly the file that was altered, removed or added, and a mend that works.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::given::{Given, files_below, lines};

/// Evidence with a sealed value, something asserted, and two ranges in the store.
fn evidence() -> Given {
    let given = Given::evidence();
    let policy = given.root().join("capture.toml");
    let text = fs::read_to_string(&policy).unwrap();
    let rule = "\n[[rule]]\nname = \"agents\"\nfields = [\"userAgent\"]\naction = \"seal\"\n";
    fs::write(&policy, format!("{text}{rule}")).unwrap();
    given.ingest(&[&given.input("a.json", &lines(0, 20))]);
    given.ingest(&[&given.input("b.json", &lines(20, 30))]);
    assert_eq!(given.run(&["ledger", "seal"]).code, 0);
    // What was asked so far goes into the access ledger.
    assert_eq!(given.run(&["verify"]).code, 0);
    given
}

fn fsck(given: &Given) -> (i32, Value) {
    let ran = given.run(&["ledger", "fsck", "--output", "json"]);
    let value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}", ran.err));
    (ran.code, value)
}

/// The files that faults name, by kind.
fn named(value: &Value) -> BTreeSet<(String, String)> {
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
    value["faults"].as_array().unwrap().iter().map(|it| (text(it, "kind"), text(it, "file"))).collect()
}

fn below(given: &Given, path: &Path) -> String {
    path.strip_prefix(given.root()).unwrap().to_string_lossy().into_owned()
}

/// Files that a test changes, which are all but locks and accesses that wait: a check is itself recorded.
fn files(given: &Given) -> Vec<PathBuf> {
    let is_other = |path: &Path| {
        path.ends_with("lock")
            || path.ends_with("fold.lock")
            || path.starts_with(given.root().join("access/spool"))
    };
    files_below(&given.root()).into_iter().filter(|path| !is_other(path)).collect()
}

#[test]
fn evidence_in_order_is_said_to_be() {
    let given = evidence();
    let (code, value) = fsck(&given);
    assert_eq!((code, &value["in_order"]), (0, &true.into()), "{value:#}");
    let ran = given.run(&["ledger", "fsck"]);
    assert!(ran.out.contains("Every file is there and whole"), "{}", ran.out);
    fs::remove_dir_all(given.root()).unwrap();
    let ran = given.run(&["ledger", "fsck"]);
    assert!(ran.code == 2 && ran.err.contains("holds no evidence"), "{}", ran.err);
}

#[test]
fn a_flipped_bit_is_named_by_file() {
    let given = evidence();
    for path in files(&given) {
        let whole = fs::read(&path).unwrap();
        let name = below(&given, &path);
        let text = String::from_utf8_lossy(&whole).into_owned();
        let place = match name.as_str() {
            // Comments may be changed by anybody; a key that hashes has no other name than its form.
            "ascribe.toml" => text.find("ascribe.local").unwrap(),
            "keys/hash.key" => 3,
            _ => whole.len() / 2,
        };
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let (code, value) = fsck(&given);
        let files: BTreeSet<String> = named(&value).into_iter().map(|(_, file)| file).collect();
        assert_eq!((code, files), (1, BTreeSet::from([name.clone()])), "{name}: {value:#}");
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(fsck(&given).0, 0);
}

#[test]
fn a_file_that_is_gone_is_named() {
    let given = evidence();
    for path in files(&given) {
        let aside = given.root().with_extension("aside");
        fs::rename(&path, &aside).unwrap();
        let (code, value) = fsck(&given);
        let name = below(&given, &path);
        let expected = match name.as_str() {
            // With the only file of a part the part itself is gone.
            _ if name.starts_with("sealed/") => continue_with(&aside, &path),
            _ if name.starts_with("store/manifest/") => "store/manifest".to_owned(),
            _ => name.clone(),
        };
        // Tiles of an earlier checkpoint may go once a later one has them; they may stay, too.
        if name.contains(".p/") && code == 0 {
            let later = path.parent().unwrap();
            assert!(fs::read_dir(later).unwrap().count() > 0, "{name}: {value:#}");
            fs::rename(&aside, &path).unwrap();
        } else if !expected.is_empty() {
            let found = named(&value);
            let others = found.iter().filter(|(_, file)| *file != expected).count();
            assert_eq!((code, others), (1, 0), "{name}: {value:#}");
            assert!(found.contains(&("missing".to_owned(), expected)), "{name}: {value:#}");
            fs::rename(&aside, &path).unwrap();
        }
    }
    fs::remove_dir_all(given.root().join("sealed")).unwrap();
    let (_, value) = fsck(&given);
    assert_eq!(named(&value), BTreeSet::from([("missing".to_owned(), "sealed".to_owned())]), "{value:#}");
}

/// Puts a file back; nothing tells of the last sealed file as long as its folder is there.
fn continue_with(aside: &Path, path: &Path) -> String {
    fs::rename(aside, path).unwrap();
    String::new()
}

#[test]
fn a_stranger_is_named_in_every_folder() {
    let given = evidence();
    let mut folders: BTreeSet<PathBuf> =
        files_below(&given.root()).iter().filter_map(|path| path.parent().map(Path::to_owned)).collect();
    folders.insert(given.root());
    for folder in folders {
        let stranger = folder.join("stranger");
        fs::write(&stranger, b"?").unwrap();
        let (code, value) = fsck(&given);
        let expected = ("extra".to_owned(), below(&given, &stranger));
        assert_eq!((code, named(&value)), (1, BTreeSet::from([expected])), "{value:#}");
        fs::remove_file(&stranger).unwrap();
    }
}

#[test]
fn what_is_said_to_mend_mends() {
    use std::os::unix::fs::PermissionsExt as _;
    let given = evidence();
    let key = given.root().join("keys/seal.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, value) = fsck(&given);
    assert_eq!(named(&value), BTreeSet::from([("exposed".to_owned(), "keys/seal.key".to_owned())]));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    fs::remove_dir_all(given.root().join("ledger/tile")).unwrap();
    fs::remove_file(given.root().join("ledger/checkpoint")).unwrap();
    let (code, value) = fsck(&given);
    assert_eq!(code, 1);
    let mends = value["faults"].as_array().unwrap().iter().map(|it| it["mend"].as_str().unwrap());
    assert!(mends.into_iter().all(|mend| mend.contains("ascribe ledger rebuild")), "{value:#}");
    let rebuilt = given.json(&["ledger", "rebuild"]);
    assert_eq!(rebuilt["checkpoint_published"], true, "{rebuilt:#}");
    assert_eq!(fsck(&given).0, 0);

    let table =
        files_below(&given.root().join("store")).into_iter().find(|it| it.ends_with("events.parquet"));
    fs::write(table.unwrap(), b"PAR1").unwrap();
    let (_, value) = fsck(&given);
    assert!(value["faults"][0]["mend"].as_str().unwrap().contains("ascribe rebuild"), "{value:#}");
    assert_eq!(given.run(&["rebuild"]).code, 0);
    assert_eq!(fsck(&given).0, 0);
}
