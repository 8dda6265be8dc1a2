//! A zoo of named inputs. Each file in `zoo/reject` is refused for the reason that its name gives and that the file
//! beside it (`.error`) states; each file in `zoo/accept` is accepted, so that nothing is refused by accident.
//! `UPDATE=1` writes the `.error` files again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails the test")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use ascribe_ledger::{
    AddCheckpoint, Checkpoint, Comparison, Cosignature, Envelope, Equivocation, Hash, OfflineProof,
    SignedCheckpoint, VerifierKey, WitnessKey, WitnessPolicy,
};

/// The key that signed the good notes: seed of 32 bytes of 7.
const KEY: &str = "example.com/ledger+ec4d6e6d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

/// The key of the witness that cosigned the good notes: seed of 32 bytes of 9.
const WITNESS: &str = "witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";

/// Hash of leaf 1, which the good proofs are about.
const LEAF: &str = "EW/+Yi4xBDqQNV80ccIJhtUa1OqSLmOdadb8v1O54vA=";

fn check(path: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let key = VerifierKey::parse(KEY)?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("note") => SignedCheckpoint::open(&bytes, &key).map(|_| ())?,
        Some("checkpoint") => Checkpoint::parse(str::from_utf8(&bytes)?).map(|_| ())?,
        Some("proof") => {
            let leaf = Hash::from_base64(LEAF).unwrap();
            OfflineProof::parse(&bytes)?.verify(leaf, &key).map(|_| ())?;
        }
        Some("key") => VerifierKey::parse(str::from_utf8(&bytes)?).map(|_| ())?,
        Some("envelope") => Envelope::decode(&from_hex(str::from_utf8(&bytes)?)).map(|_| ())?,
        Some("witness-key") => WitnessKey::parse(str::from_utf8(&bytes)?).map(|_| ())?,
        Some("policy") => WitnessPolicy::parse(&bytes).map(|_| ())?,
        Some("cosigned") => {
            SignedCheckpoint::open(&bytes, &key)?;
            Cosignature::of(&bytes, &WitnessKey::parse(WITNESS)?)?.ok_or("the witness has not cosigned")?;
        }
        Some("request") => {
            let request = AddCheckpoint::parse(&bytes)?;
            let checkpoint = request.signed_checkpoint(&[key])?;
            request.decide(&checkpoint, None)?;
        }
        Some("equivocation") => match Equivocation::parse(&bytes)?.check(&key)? {
            Comparison::Equivocation => {}
            shown => return Err(format!("the notes show {shown:?}").into()),
        },
        other => panic!("no check for {other:?}"),
    }
    Ok(())
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.trim();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn inputs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "error"))
        .collect();
    paths.sort();
    paths
}

/// An error and its sources, one a line.
fn chain(error: &dyn Error) -> String {
    let mut lines = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        lines.push(cause.to_string());
        source = cause.source();
    }
    lines.join("\n") + "\n"
}

#[test]
fn good_inputs_are_accepted() {
    let inputs = inputs("accept");
    assert!(inputs.len() >= 5);
    for path in inputs {
        check(&path).unwrap_or_else(|error| panic!("{}: {}", path.display(), chain(&*error)));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "`UPDATE=1` writes the expectations of this test")]
fn bad_inputs_are_refused_for_the_reason_given() {
    let inputs = inputs("reject");
    assert!(inputs.len() >= 100, "{} inputs", inputs.len());
    for path in inputs {
        let Err(error) = check(&path) else { panic!("{} is accepted", path.display()) };
        let mut expected_path = path.clone().into_os_string();
        expected_path.push(".error");
        if std::env::var("UPDATE").is_ok() {
            fs::write(&expected_path, chain(&*error)).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        assert_eq!(chain(&*error), expected, "{}", path.display());
    }
}
