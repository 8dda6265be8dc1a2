//! An evidence folder and inputs for one test, and runs of the program on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A temporary folder with evidence in it.
pub struct Given {
    folder: tempfile::TempDir,
}

/// What a run came to.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Given {
    /// A new, empty evidence folder.
    pub fn evidence() -> Self {
        let given = Self { folder: tempfile::tempdir().unwrap() };
        let made = given.run(&["init"]);
        assert_eq!(made.code, 0, "{}", made.err);
        given
    }

    /// The evidence folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("evidence")
    }

    /// Writes an input and returns its path.
    pub fn input(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join("input").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// The program, about to be run on this evidence.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ascribe"));
        command.arg("--evidence").arg(self.root()).args(arguments).env_remove("CLICOLOR_FORCE");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.program(arguments).output().unwrap())
    }

    /// Runs the program to its end under limits that a shell sets first.
    pub fn run_limited(&self, limits: &str, arguments: &[&str]) -> Ran {
        let script = format!("{limits}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script, env!("CARGO_BIN_EXE_ascribe"), "--evidence"])
            .arg(self.root())
            .args(arguments);
        Ran::from(shell.output().unwrap())
    }

    /// Runs the program and reads the JSON that it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.out, ran.err))
    }

    /// Takes inputs in and returns the report.
    pub fn ingest(&self, paths: &[&str]) -> Value {
        self.json(&[&["ingest"], paths].concat())
    }

    /// Takes the sample incident in, as its page says.
    pub fn ingest_sample(&self) {
        let below = |name: &str| format!("{}/../../samples/incident/{name}", env!("CARGO_MANIFEST_DIR"));
        let [aws, events, eks, github] = ["AWSLogs", "eventbridge", "eks", "github"].map(below);
        self.ingest(&["--scope", "staging", &below("kubernetes")]);
        self.ingest(&["--scope", "vault-prod", &below("vault")]);
        self.ingest(&[&aws, &events, &eks, &github]);
    }

    /// Asserts that the whole ledger is in order.
    pub fn assert_valid(&self) {
        let report = self.json(&["verify"]);
        assert_eq!(report["valid"], true, "{report:#}");
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// One CloudTrail record on one line; `number` makes it another event.
pub fn record(number: usize) -> String {
    format!(
        "{{\"eventVersion\":\"1.09\",\"userIdentity\":{{\"type\":\"IAMUser\",\"principalId\":\"AIDAEXAMPLEDEPLOY0001\",\
         \"arn\":\"arn:aws:iam::111122223333:user/deploy\",\"accountId\":\"111122223333\",\
         \"accessKeyId\":\"AKIAEXAMPLEDEPLOY001\",\"userName\":\"deploy\"}},\"eventTime\":\"2026-08-14T09:{:02}:{:02}Z\",\
         \"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"GetBucketLocation\",\"awsRegion\":\"eu-central-1\",\
         \"sourceIPAddress\":\"10.0.0.{}\",\"userAgent\":\"aws-cli/2\",\"requestParameters\":{{\"bucketName\":\"b{number}\"}},\
         \"responseElements\":null,\"requestID\":\"R{number:08}\",\"eventID\":\"11111111-2222-4333-8444-{number:012}\",\
         \"readOnly\":true,\"eventType\":\"AwsApiCall\",\"managementEvent\":true,\"recipientAccountId\":\"111122223333\",\
         \"eventCategory\":\"Management\"}}",
        number / 60 % 60,
        number % 60,
        number % 250
    )
}

/// Records `from` up to `to`, one a line.
pub fn lines(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|number| record(number) + "\n").collect::<String>().into_bytes()
}

/// `content` as one gzip member.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Asserts that every decoded byte is accounted for.
pub fn assert_accounted(report: &Value) {
    let bytes = &report["bytes"];
    let number = |name: &str| bytes[name].as_u64().unwrap();
    assert_eq!(number("decoded"), number("framing") + number("records") + number("rejects"), "{report:#}");
}

/// Every regular file below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
