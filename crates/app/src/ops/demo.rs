//! The sample incident, built into the program, in a temporary folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The sample's files: name below `samples/incident/`, and content.
const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/sample_files.rs"));

/// A command of the walk.
pub struct DemoStep {
    /// Why it is run.
    pub because: &'static str,
    /// The command, without the program's name and its evidence folder.
    pub command: &'static str,
}

/// The walk through the sample incident, in order.
pub const DEMO_STEPS: &[DemoStep] = &[
    DemoStep {
        because: "A folder for evidence, with its own signing key.",
        command: "init --origin demo.example/incident",
    },
    DemoStep {
        because: "The logs of one morning go in. Every byte is a record, framing, or a reject with its reason.",
        command: "ingest --scope staging samples/incident",
    },
    DemoStep {
        because: "An instance's credential was used from an address outside. Whose is it?",
        command: "who ASIAQ3APPNODEEXAMPLE",
    },
    DemoStep {
        because: "What came of it, across two accounts and a cluster? One hop cannot be told apart, and is not guessed.",
        command: "chain --forward ASIAQ3APPNODEEXAMPLE",
    },
    DemoStep {
        because: "Back from the token that read the secrets in the cluster: every hop is one identifier in one record.",
        command: "chain JTI=7591fde2-7a02-456f-a503-1cbf30a48f16",
    },
    DemoStep {
        because: "What did it do after the machine's last ordinary call, here and through what came of it? Blind spots are rows.",
        command: "timeline ASIAQ3APPNODEEXAMPLE --since 2026-08-14T09:17:00Z --until 2026-08-14T09:30:00Z",
    },
    DemoStep {
        because: "The sessions of the instance's role were revoked. Did its credential work after that?",
        command: "lifecycle ASIAQ3APPNODEEXAMPLE",
    },
    DemoStep {
        because: "The trail of this key breaks, and the answer says which log would settle it.",
        command: "chain ASIAX5BILLINGEXAMPLE",
    },
    DemoStep {
        because: "Two calls could have issued this one. Both are kept.",
        command: "chain ASIAX5RELEASEEXAMPLE",
    },
    DemoStep {
        because: "The call that crossed accounts. Its session token was cut out before anything was stored.",
        command: "show e477a048-8911-4725-a683-a73c6b7e986d",
    },
    DemoStep { because: "What is here, and how far it can be trusted to be complete?", command: "sources" },
    DemoStep { because: "The whole ledger is checked again, byte by byte.", command: "verify" },
];

/// The sample in a temporary folder, which goes away with this value.
pub struct Demo {
    folder: tempfile::TempDir,
}

/// The sample cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the sample to a temporary folder")]
pub struct DemoError(#[from] io::Error);

impl Demo {
    /// Writes the sample to a temporary folder.
    pub fn start() -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("ascribe-demo-").tempdir()?;
        let demo = Self { folder };
        for (name, content) in FILES {
            let path = demo.inputs().join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            write_sample(&path, content)?;
        }
        Ok(demo)
    }

    /// Where the evidence goes.
    pub fn evidence(&self) -> PathBuf {
        self.folder.path().join("evidence")
    }

    /// Where the sample's logs are.
    pub fn inputs(&self) -> PathBuf {
        self.folder.path().join("samples").join("incident")
    }

    /// Leaves the folder where it is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

#[expect(clippy::disallowed_methods, reason = "a throw-away copy of the sample")]
fn write_sample(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::write(path, content)
}
