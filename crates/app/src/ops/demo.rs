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
        because: "The logs of the incident go in. Every byte is a record, framing, or a reject with its reason.",
        command: "ingest samples/incident --scope staging",
    },
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
            let path = demo.logs().join(name);
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
    pub fn logs(&self) -> PathBuf {
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
