//! `ascribe backup` and `ascribe restore`.

use std::path::PathBuf;

use ascribe_ledger::durable::Disk;
use clap::Args;
use serde_json::json;

use super::Asked;
use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::upkeep::form;
use crate::ops::{self, BackupError, BackupKeys, RestoreError, RestoredAnchor};

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// The folder of the backup: new, or one with an earlier backup of this evidence, which is brought up to date
    #[arg(value_name = "DEST")]
    dest: PathBuf,
    /// Take private keys along: whoever has the backup can then sign and unseal
    #[arg(long)]
    with_keys: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The folder of the backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Where the evidence goes: a folder that is not there yet, or is empty
    #[arg(value_name = "DIR")]
    to: PathBuf,
}

pub fn backup(asked: &Asked<'_>, arguments: &BackupArguments) -> Result<Exit, Failure> {
    let keys = if arguments.with_keys { BackupKeys::Included } else { BackupKeys::Left };
    let made = ops::backup(asked.evidence, &arguments.dest, keys, &Disk::default())?;
    let rows = [
        ("entries", made.entries.to_string()),
        ("files", made.files.to_string()),
        ("copied now", format!("{} files, {} bytes", made.copied, made.bytes)),
        ("removed", format!("{} contents that no file has any more", made.removed)),
        ("private keys", if arguments.with_keys { "included" } else { "left out" }.to_owned()),
    ];
    let value = json!({
        "schema": "ascribe/backup/v1",
        "entries": made.entries,
        "files": made.files,
        "files_copied": made.copied,
        "bytes_copied": made.bytes,
        "contents_removed": made.removed,
        "with_keys": arguments.with_keys,
    });
    let more = if arguments.with_keys {
        ""
    } else {
        "\nWithout its private keys, restored evidence can be read and checked, and takes nothing in: keep `keys/` elsewhere.\n"
    };
    print(&form(asked.output, &rows, &value, more))?;
    Ok(Exit::Yes)
}

pub fn restore(asked: &Asked<'_>, arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let restored = ops::restore(&arguments.backup, &arguments.to)?;
    let (anchor, more) = match restored.anchor {
        RestoredAnchor::Restored => (
            "restored with the ledger",
            "\nThe anchor was put back along with the ledger, so it cannot tell whether newer entries are missing: compare the checkpoint with one that a witness or auditor kept.\n",
        ),
        RestoredAnchor::Agrees => ("agrees", ""),
        RestoredAnchor::Differs => (
            "differs",
            "\nThe anchor has another checkpoint than the backup: entries behind the backup are missing. Questions and ingests refuse, and show both notes; `ascribe verify` says what is there. docs/backup.md says how to go on.\n",
        ),
    };
    let can_sign =
        if restored.can_sign { "there" } else { "not in the backup: put `keys/` back to take anything in" };
    let rows = [
        ("evidence", line(&arguments.to.to_string_lossy(), 500)),
        ("entries", restored.entries.to_string()),
        ("files", restored.files.to_string()),
        ("anchor", anchor.to_owned()),
        ("signing key", can_sign.to_owned()),
    ];
    let value = json!({
        "schema": "ascribe/restore/v1",
        "evidence": arguments.to.to_string_lossy(),
        "entries": restored.entries,
        "files": restored.files,
        "anchor": anchor,
        "can_sign": restored.can_sign,
    });
    print(&form(asked.output, &rows, &value, more))?;
    Ok(Exit::Yes)
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
