//! The sample incident, built into the program, in a temporary folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The sample's files: name below `samples/incident/`, and content.
const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/sample_files.rs"));

/// Folder of the sample's logs, as commands of the walk name it.
const INPUTS: &str = "samples/incident";

/// The bundle that the walk writes, as its command names it.
const BUNDLE: &str = "case.evb";

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
        because: "The logs of one morning go in, each byte as a record, as framing, or as a reject with its reason. Two clusters do not name themselves in their records, so their names are given.",
        command: "ingest --scope staging samples/incident/kubernetes",
    },
    DemoStep {
        because: "Vault's entries do not name their cluster either.",
        command: "ingest --scope vault-prod samples/incident/vault",
    },
    DemoStep {
        because: "CloudTrail, EKS and GitHub name themselves.",
        command: "ingest samples/incident/AWSLogs samples/incident/eventbridge samples/incident/eks samples/incident/github",
    },
    DemoStep { because: "What is here, and how far can it be trusted to be complete?", command: "sources" },
    DemoStep {
        because: "An instance's credential was used from an address outside. Whose is it?",
        command: "who ASIAQ3APPNODEEXAMPLE",
    },
    DemoStep {
        because: "What came of it, across two accounts, a cluster and a secret store? One hop cannot be told apart, and is not guessed.",
        command: "chain --forward ASIAQ3APPNODEEXAMPLE",
    },
    DemoStep {
        because: "Back from a token of the secret store that nobody revoked, to the machine where it began.",
        command: "chain hmac-sha256:5b777487",
    },
    DemoStep {
        because: "Back from a database lease of the build: secret store, service account, cluster, cloud role, CI run, and who pushed.",
        command: "chain database/creds/ledger-owner/MrPG",
    },
    DemoStep {
        because: "Who allowed that build to become a role in the cloud?",
        command: "why ASIAX5GITHUB2EXAMPLE",
    },
    DemoStep {
        because: "The sessions of the instance's role were revoked. Did its credential work after that?",
        command: "lifecycle ASIAQ3APPNODEEXAMPLE",
    },
    DemoStep {
        because: "The intruder's token of the secret store was revoked, too, and refused after that.",
        command: "lifecycle hmac-sha256:99cb71a5",
    },
    DemoStep {
        because: "But it had made another token, without a parent, and that one took a lease when it was dead.",
        command: "chain --forward hmac-sha256:99cb71a5",
    },
    DemoStep {
        because: "What did the other token do, and how good is the evidence of it?",
        command: "session hmac-sha256:5b777487",
    },
    DemoStep {
        because: "Both of them from the revocation on, with what cannot be seen as rows.",
        command: "timeline --since 2026-08-14T09:51:00Z hmac-sha256:99cb71a5",
    },
    DemoStep {
        because: "Was its lease ever revoked? A lease was, by its hash: whether it was this one, only Vault can tell.",
        command: "lifecycle database/creds/ledger-rw/S4uK",
    },
    DemoStep {
        because: "The trail of this key breaks, and the answer says which log would settle it.",
        command: "chain ASIAX5BILLINGEXAMPLE",
    },
    DemoStep {
        because: "The call that crossed accounts. Its session token was cut out before anything was stored.",
        command: "show e477a048-8911-4725-a683-a73c6b7e986d",
    },
    DemoStep { because: "What else was cut out?", command: "redactions" },
    DemoStep {
        because: "The evidence for one answer goes into a file that a stranger can check with `ascribe-verify`.",
        command: "export --entries hmac-sha256:5b777487 --answer chain -o case.evb",
    },
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
            let path = demo.folder.path().join(INPUTS).join(name);
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

    /// `word` of a step's command, with the names of the sample's folder and of the bundle as they are here.
    pub fn place(&self, word: &str) -> String {
        let here = |path: PathBuf| path.to_string_lossy().into_owned();
        match word {
            BUNDLE => here(self.folder.path().join(BUNDLE)),
            _ => word.replace(INPUTS, &here(self.folder.path().join(INPUTS))),
        }
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
