//! `cargo xtask torture interop`: a reader that we did not write reads a ledger of ours over HTTP, at sizes around which
//! trees change their shape. The reader is the program in `interop/`, on top of the packages `tlog_tiles` and
//! `signed_note`; it needs the package registry once, to be built.
//!
//! It drives programs and judges nothing: whether the tree holds is said by the foreign reader.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::bench::build::{self, BuildError};

/// Records in the ledger before each reading. With the entries that a ledger has besides, the sizes cross the borders of
/// tiles of two levels.
const RECORDS: [u32; 5] = [0, 1, 253, 600, 70_000];

/// Why the reader could not be run, or refused the ledger.
#[derive(Debug, thiserror::Error)]
pub enum InteropError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("cannot use the temporary folder")]
    Scratch(#[source] io::Error),
    #[error("cannot run `{program}`")]
    Run {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("`{program}` ended with {status}")]
    Failed { program: String, status: ExitStatus },
    #[error("`ascribe ledger serve` did not say where it listens, but `{said}`")]
    NoAddress { said: String },
    #[error("cannot write the result")]
    Write(#[source] io::Error),
}

/// The service, ended when dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing left to end.
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

/// Builds both programs, grows a ledger, and has it read after each step.
pub fn run(root: &Path, out: &mut dyn Write) -> Result<(), InteropError> {
    let (program, reader) = (build::tested(root)?, build::foreign_reader(root)?);
    let scratch = tempfile::tempdir().map_err(InteropError::Scratch)?;
    let evidence = scratch.path().join("evidence");
    let ascribe = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("--evidence").arg(&evidence).args(arguments).stdout(Stdio::null());
        finish(command)
    };
    ascribe(&["init"])?;
    let mut serve = Command::new(&program);
    serve.arg("--evidence").arg(&evidence).args(["ledger", "serve"]).stdout(Stdio::piped());
    let child = serve.spawn().map_err(|source| failed(&serve, source))?;
    let mut serving = Serving(child);
    let mut said = String::new();
    if let Some(stdout) = serving.0.stdout.take() {
        BufReader::new(stdout).read_line(&mut said).map_err(InteropError::Scratch)?;
    }
    let url = said.strip_prefix("listening").map(|url| url.trim().to_owned());
    let url = url.ok_or(InteropError::NoAddress { said })?;
    let mut before = 0;
    for upto in RECORDS {
        if upto > before {
            let path = write_records(scratch.path(), before, upto).map_err(InteropError::Scratch)?;
            ascribe(&["ingest", "--progress", "none", &path.to_string_lossy()])?;
            before = upto;
        }
        let mut read = Command::new(&reader);
        read.arg(&url).arg(evidence.join("keys/ledger.vkey"));
        let answer = read.output().map_err(|source| failed(&read, source))?;
        out.write_all(&[answer.stdout, answer.stderr].concat()).map_err(InteropError::Write)?;
        if !answer.status.success() {
            return Err(InteropError::Failed { program: name_of(&read), status: answer.status });
        }
    }
    Ok(())
}

/// CloudTrail records with nothing in them but what makes them different ones.
fn write_records(folder: &Path, from: u32, upto: u32) -> io::Result<PathBuf> {
    let path = folder.join(format!("{upto}.json"));
    let mut file = io::BufWriter::new(File::create(&path)?);
    for number in from..upto {
        writeln!(
            file,
            "{{\"eventVersion\":\"1.09\",\"userIdentity\":{{\"type\":\"IAMUser\",\"accountId\":\"111122223333\",\
             \"accessKeyId\":\"AKIAEXAMPLEDEPLOY001\",\"userName\":\"deploy\"}},\"eventTime\":\"2026-08-14T09:00:00Z\",\
             \"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"GetBucketLocation\",\"awsRegion\":\"eu-central-1\",\
             \"requestParameters\":{{\"bucketName\":\"b{number}\"}},\"requestID\":\"R{number:08}\",\
             \"eventID\":\"11111111-2222-4333-8444-{number:012}\",\"recipientAccountId\":\"111122223333\"}}"
        )?;
    }
    file.flush()?;
    Ok(path)
}

fn finish(mut command: Command) -> Result<(), InteropError> {
    let status = command.status().map_err(|source| failed(&command, source))?;
    if status.success() { Ok(()) } else { Err(InteropError::Failed { program: name_of(&command), status }) }
}

fn failed(command: &Command, source: io::Error) -> InteropError {
    InteropError::Run { program: name_of(command), source }
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
