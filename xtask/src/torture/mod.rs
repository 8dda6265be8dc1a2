//! Long tests: `cargo xtask torture NAME` brings one kind of fault over the ledger or the program, again and again, and
//! says what held. `docs/reliability.md` has the figures.
//!
//! Each fault is a row in [`FAULTS`] and a file beside this one. Some run inside one process, over a simulated disk or
//! over bytes alone; these are parts of the ledger's crate, and short forms of them are tests in the gate. The others
//! drive the program from outside, and whoever keeps count of what it acknowledged is another process.

mod disk_full;
mod in_process;
mod interop;
mod kill;
mod put_back;
mod stage;
mod syscalls;

use std::io::Write;
use std::path::Path;

use crate::bench::build::BuildError;
use crate::options::{self, OptionError};

/// A kind of fault.
#[derive(Debug)]
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its options; empty for none.
    pub options: &'static str,
    /// What is done, and what must hold.
    pub what: &'static str,
    run: fn(&Scene<'_>, &[&str], &mut dyn Write) -> Result<(), TortureError>,
}

/// Where a fault is tried.
#[derive(Debug, Clone, Copy)]
struct Scene<'a> {
    /// The checkout.
    root: &'a Path,
    /// Which fault.
    name: &'static str,
}

/// Every kind of fault.
pub const FAULTS: [Fault; 13] = [
    Fault {
        name: "kill",
        options: "[--trials N] [--events N] [--seed N]",
        what: "kills the writer at random moments; nothing acknowledged may be missing",
        run: |scene, options, out| {
            let options = kill::Options::parse(options)?;
            Ok(kill::run(options, scene.root, out, &mut std::io::stderr())?)
        },
    },
    Fault {
        name: "power-loss",
        options: "[--seeds N] [--first N]",
        what: "loses power at random steps over a simulated disk, again in recovery too; nothing acknowledged may be missing",
        run: in_process::run,
    },
    Fault {
        name: "torn",
        options: "[--stride N]",
        what: "tears every write of a writer at every border of a sector, and recovers",
        run: in_process::run,
    },
    Fault {
        name: "fsync",
        options: "",
        what: "lets every sync fail once; the writer stops, and nothing is signed that was not synced",
        run: in_process::run,
    },
    Fault {
        name: "flip",
        options: "[--entries N] [--stride N] [--all-bits N]",
        what: "flips a bit of every byte of a ledger and its anchor; each is reported with its file",
        run: in_process::run,
    },
    Fault {
        name: "syscalls",
        options: "[--events N] [--seed N] [--stride N]",
        what: "lets every call of an ingest to the system fail, be cut short or kill it (`strace`)",
        run: |scene, options, out| syscalls::run(scene.root, options, out),
    },
    Fault {
        name: "disk-full",
        options: "[--trials N] [--events N] [--seed N]",
        what: "takes in onto a file system that fills up, and goes on once there is room (mounts a tmpfs)",
        run: |scene, options, out| disk_full::run(scene.root, options, out),
    },
    Fault {
        name: "rollback",
        options: "[--events N] [--seed N]",
        what: "puts back an older ledger or anchor, or another root of the same size; refused with both notes",
        run: |scene, options, out| put_back::roll_back(scene.root, options, out),
    },
    Fault {
        name: "two-writers",
        options: "[--trials N] [--events N] [--seed N]",
        what: "two writers of one folder, and of two folders with one anchor; the loser never publishes",
        run: |scene, options, out| put_back::two_writers(scene.root, options, out),
    },
    Fault {
        name: "hostile",
        options: "",
        what: "appends records that break readers; each is kept byte for byte or refused with its reason",
        run: in_process::run,
    },
    Fault {
        name: "clock",
        options: "[--entries N] [--seeds N]",
        what: "lets the times of entries jump; their order is that of arrival",
        run: in_process::run,
    },
    Fault {
        name: "fuzz",
        options: "[--target NAME] [--seconds N] [--first N]",
        what: "gives changed inputs to every reader: no panic, one encoding, nothing forged verifies",
        run: in_process::run,
    },
    Fault {
        name: "interop",
        options: "",
        what: "has a reader that we did not write read a served ledger as it grows",
        run: |scene, options, out| {
            options::numbers(options, [])?;
            Ok(interop::run(scene.root, out)?)
        },
    },
];

/// Why a test did not hold, or could not be run.
#[derive(Debug, thiserror::Error)]
pub enum TortureError {
    #[error("there is no fault `{found}`; there are `{known}`")]
    Unknown { found: String, known: String },
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Kill(#[from] kill::KillError),
    #[error(transparent)]
    Interop(#[from] interop::InteropError),
    #[error(transparent)]
    Stage(#[from] stage::StageError),
    #[error("cannot write the result")]
    Write(#[source] std::io::Error),
    #[error("cannot run `{program}`")]
    Run {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{0}` did not hold; what it printed says where")]
    DidNotHold(&'static str),
}

/// Runs the test of one kind of fault.
pub fn run(name: &str, options: &[&str], root: &Path, out: &mut dyn Write) -> Result<(), TortureError> {
    let fault = FAULTS.iter().find(|fault| fault.name == name).ok_or_else(|| {
        let known: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        TortureError::Unknown { found: name.to_owned(), known: known.join("`, `") }
    })?;
    (fault.run)(&Scene { root, name: fault.name }, options, out)
}

/// One line for each kind of fault, for the usage of `cargo xtask`.
pub fn usage() -> String {
    let lines = FAULTS.iter().map(|fault| {
        let Fault { name, options, what, .. } = fault;
        format!("  torture {name} {options}\n          {what}")
    });
    lines.collect::<Vec<_>>().join("\n")
}
