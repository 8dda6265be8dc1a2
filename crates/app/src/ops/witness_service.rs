//! A witness that an auditor runs: its folder, and what it follows. `docs/witness.md`.
//!
//! ```text
//! <folder>/witness.key    cosigns; mode 0600
//! <folder>/witness.vkey   verifies its cosignatures; may be given to anybody
//! <folder>/followed       verifier keys of the ledgers that it follows, one a line
//! <folder>/lock           held by the one that serves
//! <folder>/state, <folder>/equivocation   what it saw
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{Disk, DurableError, replace_file};
use ascribe_ledger::{
    KeyError, VerifierKey, VerifierKeyError, WitnessBook, WitnessBookError, WitnessKeyPair,
};

const KEY: &str = "witness.key";
const FOLLOWED: &str = "followed";

/// A new witness.
pub struct NewWitness {
    /// Its folder.
    pub folder: PathBuf,
    /// Its verifier key, for the policies of those who believe it.
    pub key: String,
}

/// A witness that is ready to serve.
pub struct OpenWitness {
    /// What it knows.
    pub book: WitnessBook,
    /// Its verifier key.
    pub key: String,
    /// The ledgers that it follows.
    pub origins: Vec<String>,
    /// Held as long as it serves.
    pub lock: fs::File,
}

/// A witness cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// There is one already.
    #[error("`{}` already holds a witness", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// There is none.
    #[error("there is no witness in `{}`", folder.display())]
    NotAWitness {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process serves it.
    #[error("the witness in `{}` is served by another process", folder.display())]
    Served {
        /// The folder.
        folder: PathBuf,
    },
    /// Its key cannot be made or used.
    #[error("cannot use the key of the witness")]
    Key(#[from] KeyError),
    /// A file cannot be read.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write the folder of the witness")]
    Write(#[from] DurableError),
    /// A line of the file of ledgers is no key.
    #[error("line {line} of `{}` is no verifier key of a ledger", path.display())]
    Followed {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
        /// Why.
        #[source]
        source: VerifierKeyError,
    },
    /// What it saw cannot be read, or is not what it wrote.
    #[error("cannot open what the witness saw")]
    Book(#[from] WitnessBookError),
}

/// Makes a witness called `name`, with a new key.
///
/// The key is written last: a crash before leaves a folder without a witness, and making it starts over.
///
/// # Errors
/// [`WitnessError`] when there is one already, or the folder cannot be written.
pub fn init(folder: &Path, name: &str) -> Result<NewWitness, WitnessError> {
    if folder.join(KEY).exists() {
        return Err(WitnessError::Exists { folder: folder.to_owned() });
    }
    let key = WitnessKeyPair::generate(name)?;
    Disk::default().create_folder(folder)?;
    let followed = folder.join(FOLLOWED);
    if !followed.exists() {
        let text = "# Verifier keys of the ledgers that this witness follows, one a line: the content of each\n\
                    # `keys/ledger.vkey`. Take a key from who runs the ledger, not from the network.\n";
        replace_file(&followed, text.as_bytes())?;
    }
    let text = key.verifier().to_string();
    replace_file(&folder.join("witness.vkey"), format!("{text}\n").as_bytes())?;
    key.save(&folder.join(KEY))?;
    Ok(NewWitness { folder: folder.to_owned(), key: text })
}

/// Opens a witness to serve it.
///
/// # Errors
/// [`WitnessError`] when there is none, somebody else serves it, or a file of its cannot be used.
pub fn open(folder: &Path) -> Result<OpenWitness, WitnessError> {
    let path = folder.join(KEY);
    if !path.exists() {
        return Err(WitnessError::NotAWitness { folder: folder.to_owned() });
    }
    let key = WitnessKeyPair::load(&path)?;
    let path = folder.join("lock");
    let lock = fs::OpenOptions::new().create(true).append(true).open(&path);
    let lock = lock.map_err(|source| WitnessError::File { path, source })?;
    lock.try_lock().map_err(|_| WitnessError::Served { folder: folder.to_owned() })?;
    let followed = read_followed(&folder.join(FOLLOWED))?;
    let text = key.verifier().to_string();
    let book = WitnessBook::open(folder, key, followed)?;
    let origins = book.origins();
    Ok(OpenWitness { book, key: text, origins, lock })
}

fn read_followed(path: &Path) -> Result<Vec<VerifierKey>, WitnessError> {
    let text =
        fs::read_to_string(path).map_err(|source| WitnessError::File { path: path.to_owned(), source })?;
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, number)| {
            VerifierKey::parse(line).map_err(|source| WitnessError::Followed {
                path: path.to_owned(),
                line: number,
                source,
            })
        })
        .collect()
}

impl WitnessError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists { .. } => {
                "`ascribe witness serve DIR` runs it; a second witness has a folder of its own"
            }
            Self::NotAWitness { .. } => "`ascribe witness init DIR --name NAME` makes one",
            Self::Served { .. } => "end the other process first: two would cosign behind each other's back",
            Self::Key(KeyError::Origin(_)) => {
                "a name has no blanks and no `+`, such as `witness.example.com/w1`"
            }
            Self::Key(_) => "restore `witness.key` from its backup; a new key is a new witness to everybody",
            Self::File { .. } | Self::Write(_) => "check the path, who owns it and whether the disk is full",
            Self::Followed { .. } => "a line is the content of a ledger's `keys/ledger.vkey`",
            Self::Book(_) => {
                "restore the folder `state` from its newest copy; an older copy makes the witness forget what it cosigned"
            }
        }
    }
}
