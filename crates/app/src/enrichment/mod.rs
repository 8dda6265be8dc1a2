//! What the operator asserts of identities and networks: owner, environment, criticality, names of networks.
//!
//! It comes from files that `ascribe.toml` names, read when a question is asked; `docs/enrichment.md` states their form.
//! No evidence shows it, so it stands beside the body of an answer and no verdict leans on it. It knows keys and
//! addresses, and nothing of answers.

mod csv_file;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ascribe_model::{ConfigEntry, ConfigFile, KeyRef};
use ascribe_sources::capture::Pattern;

use crate::capture::digest_text;
pub use csv_file::RowFault;
use csv_file::{Column, Row, rows};

/// Longest file that is read.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Everything that the operator asserts.
#[derive(Debug)]
pub struct Enrichment {
    /// `sha256:` and a digest over the files; [`ConfigEntry::NONE`] where there are none.
    pub version: String,
    files: Vec<ConfigFile>,
    things: Vec<Thing>,
    networks: Vec<Network>,
}

/// What is asserted of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assertion {
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it belongs, such as `production`.
    pub environment: Option<String>,
    /// How much depends on it.
    pub criticality: Option<String>,
}

/// A row about keys.
#[derive(Debug)]
struct Thing {
    kind: String,
    scope: Option<Pattern>,
    value: Pattern,
    says: Assertion,
}

/// A row about addresses.
#[derive(Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
    name: String,
}

/// The operator's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrichmentError {
    /// A file cannot be read.
    #[error("cannot read `{path}`, which `ascribe.toml` names for enrichment")]
    Read {
        /// The file.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file is too long.
    #[error("`{path}` has {found} bytes; a file for enrichment has at most {BYTES_MAX}")]
    TooLong {
        /// The file.
        path: String,
        /// Its length.
        found: u64,
    },
    /// A row is wrong.
    #[error("`{path}` line {line}: {fault}")]
    Row {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        fault: RowFault,
    },
}

impl Enrichment {
    /// Reads the files, in the order in which they count. Paths are taken from the evidence folder at `root`.
    ///
    /// # Errors
    /// [`EnrichmentError`] for the first file that cannot be used.
    pub fn read(root: &Path, names: &[PathBuf]) -> Result<Self, EnrichmentError> {
        let mut read = Self {
            version: ConfigEntry::NONE.to_owned(),
            files: Vec::new(),
            things: Vec::new(),
            networks: Vec::new(),
        };
        for name in names {
            read.add(name, &root.join(name))?;
        }
        if !read.files.is_empty() {
            let files = read.files.iter().map(|file| format!("{} {}\n", file.digest, file.name));
            read.version = digest_text(files.collect::<String>().as_bytes());
        }
        Ok(read)
    }

    /// What the ledger records of the files.
    pub fn entry(&self) -> ConfigEntry {
        ConfigEntry::Enrichment { version: self.version.clone(), files: self.files.clone() }
    }

    /// What is asserted of what has one of these names. For each column the first row that fits and says something
    /// counts.
    pub fn of_keys(&self, names: &[&KeyRef]) -> Option<Assertion> {
        let mut found = Assertion::default();
        for thing in self.things.iter().filter(|thing| names.iter().any(|name| thing.is(name))) {
            for (known, says) in [
                (&mut found.owner, &thing.says.owner),
                (&mut found.environment, &thing.says.environment),
                (&mut found.criticality, &thing.says.criticality),
            ] {
                if known.is_none() {
                    known.clone_from(says);
                }
            }
        }
        (found != Assertion::default()).then_some(found)
    }

    /// Name of the smallest network that holds the address.
    pub fn network_of(&self, address: &str) -> Option<&str> {
        let address: IpAddr = address.parse().ok()?;
        // Of equal ones the first counts.
        let holding = self.networks.iter().rev().filter(|network| network.holds(address));
        holding.max_by_key(|network| network.prefix).map(|network| network.name.as_str())
    }

    fn add(&mut self, name: &Path, path: &Path) -> Result<(), EnrichmentError> {
        let shown = path.to_string_lossy().into_owned();
        let failed = |source| EnrichmentError::Read { path: shown.clone(), source };
        let bytes = fs::metadata(path).map_err(failed)?.len();
        if bytes > BYTES_MAX {
            return Err(EnrichmentError::TooLong { path: shown, found: bytes });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let fault = |(line, fault)| EnrichmentError::Row { path: shown.clone(), line, fault };
        for row in rows(&text).map_err(fault)? {
            self.add_row(&row).map_err(|error| fault((row.line, error)))?;
        }
        self.files.push(ConfigFile {
            name: name.to_string_lossy().into_owned(),
            digest: digest_text(text.as_bytes()),
            bytes: text.len() as u64,
        });
        Ok(())
    }

    fn add_row(&mut self, row: &Row) -> Result<(), RowFault> {
        let (kind, value) = (row.needed(Column::Kind)?, row.needed(Column::Value)?);
        if kind == "network" {
            let name = row.needed(Column::Name)?.to_owned();
            let (address, prefix) = network(value).ok_or_else(|| RowFault::Network(value.to_owned()))?;
            self.networks.push(Network { address, prefix, name });
            return Ok(());
        }
        let text = |column| row.cell(column).map(str::to_owned);
        self.things.push(Thing {
            kind: kind.to_owned(),
            scope: text(Column::Scope).map(Pattern),
            value: Pattern(value.to_owned()),
            says: Assertion {
                owner: text(Column::Owner),
                environment: text(Column::Environment),
                criticality: text(Column::Criticality),
            },
        });
        Ok(())
    }
}

impl Thing {
    fn is(&self, key: &KeyRef) -> bool {
        self.kind == key.kind.name()
            && self.scope.as_ref().is_none_or(|scope| scope.fits(&key.scope))
            && self.value.fits(&key.value)
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let width = width_of(self.address);
        // A shift by all 128 bits has no result: every address is in a network without a prefix.
        let prefix = |address| bits(address).checked_shr(width - self.prefix).unwrap_or(0);
        width == width_of(address) && prefix(self.address) == prefix(address)
    }
}

/// Address and length of the prefix: `10.0.0.0/8` (RFC 4632), or one address.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = width_of(address);
    let prefix = prefix.unwrap_or(width);
    (prefix <= width).then_some((address, prefix))
}

const fn width_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl EnrichmentError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => {
                "mend the path in `[enrichment]` of `ascribe.toml`, or take it out; it is taken from the evidence folder"
            }
            Self::TooLong { .. } => "describe many things by one row: `*` stands for any characters",
            Self::Row { .. } => "docs/enrichment.md shows such a file",
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write throw-away files")]
mod tests {
    use ascribe_model::KeyKind;

    use super::*;

    fn read(text: &str) -> Result<Enrichment, EnrichmentError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), text).unwrap();
        Enrichment::read(folder.path(), &[PathBuf::from("a.csv")])
    }

    fn key(kind: &'static str, scope: &str, value: &str) -> KeyRef {
        KeyRef { kind: KeyKind::new(kind), scope: scope.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn the_first_row_that_says_something_counts() {
        let read = read(
            "kind,value,scope,owner,environment,criticality\n\
             aws.arn,arn:aws:iam::1:role/deploy,,platform,,high\n\
             aws.arn,arn:aws:iam::1:*,,cloud team,production,\n\
             k8s.service_account,pay/worker,prod*,payments,,\n",
        )
        .unwrap();
        let of = |key: &KeyRef| {
            read.of_keys(&[key]).map(|found| [found.owner, found.environment, found.criticality])
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of(&key("aws.arn", "", "arn:aws:iam::1:role/deploy")),
            Some([some("platform"), some("production"), some("high")])
        );
        assert_eq!(
            of(&key("aws.arn", "", "arn:aws:iam::1:role/x")),
            Some([some("cloud team"), some("production"), None])
        );
        assert_eq!(of(&key("k8s.user", "", "arn:aws:iam::1:role/x")), None, "another kind");
        assert_eq!(
            of(&key("k8s.service_account", "prod-1", "pay/worker")),
            Some([some("payments"), None, None])
        );
        assert_eq!(of(&key("k8s.service_account", "test", "pay/worker")), None, "another scope");
    }

    #[test]
    fn an_address_is_in_its_smallest_network() {
        let read = read(
            "kind,value,name\nnetwork,10.0.0.0/8,inside\nnetwork,10.1.0.0/16,office\nnetwork,10.1.2.3,printer\n\
             network,2001:db8::/32,lab\nnetwork,0.0.0.0/0,anywhere\nnetwork,10.0.0.0/8,again\n",
        )
        .unwrap();
        for (address, name) in [
            ("10.9.9.9", Some("inside")),
            ("10.1.9.9", Some("office")),
            ("10.1.2.3", Some("printer")),
            ("203.0.113.1", Some("anywhere")),
            ("2001:db8::1", Some("lab")),
            ("2001:db9::1", None),
            ("ec2.amazonaws.com", None),
            ("[withheld:policy.x]", None),
        ] {
            assert_eq!(read.network_of(address), name, "{address}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("kind,value,colour\n", "line 1: `colour` is no column"),
            ("kind,owner\n", "line 1: the column `value` is missing"),
            ("kind,kind,value\n", "line 1: the column `kind` stands twice"),
            ("kind,value\na\n", "line 2: it has 1 cells, and the first line 2"),
            ("kind,value\n\na,\n", "line 3: `value` is empty"),
            ("kind,value,name\nnetwork,10.0.0.0/33,x\n", "line 2: `10.0.0.0/33` is no network"),
            ("kind,value\n\"a,b\n", "line 2: a quote is not closed"),
            ("kind,value\n\"a\"b,c\n", "line 2: something follows a closing quote"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_version_follows_the_files() {
        let version = |text: &str| read(text).unwrap().version;
        assert_eq!(version("kind,value\na,b\n"), version("kind,value\na,b\n"));
        assert_ne!(version("kind,value\na,b\n"), version("kind,value\na,c\n"));
        assert_eq!(Enrichment::read(Path::new("."), &[]).unwrap().version, ConfigEntry::NONE);
    }
}
