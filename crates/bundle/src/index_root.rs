//! An `index-root` entry, read: the words of the entry, and the head that proofs are checked against.
//!
//! It knows no proof and no file; whether the entry is in the ledger is for whoever read it.

use ascribe_ledger::Hash;
use ascribe_ledger::index::IndexHead;
use ascribe_model::IndexRootEntry;

/// What an `index-root` entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRoot {
    /// The entry.
    pub entry: IndexRootEntry,
    /// What proofs are checked against.
    pub head: IndexHead,
}

/// Why bytes are no `index-root` entry of this version.
#[derive(Debug, thiserror::Error)]
pub enum IndexRootError {
    /// Not the JSON of one.
    #[error("it cannot be read")]
    Form(#[source] serde_json::Error),
    /// Another version.
    #[error("it has version {found}, this program reads version {}", IndexRootEntry::VERSION)]
    Version {
        /// The version.
        found: u32,
    },
    /// Not the one form that it has.
    #[error("it is not in the one form that it is written in")]
    SecondForm,
    /// A hash that is none.
    #[error("its {what} is not base64 of 32 bytes")]
    Hash {
        /// `root` or `salt`.
        what: &'static str,
    },
}

impl IndexRoot {
    /// Reads the captured bytes of an entry.
    pub fn parse(captured: &[u8]) -> Result<Self, IndexRootError> {
        let entry: IndexRootEntry = serde_json::from_slice(captured).map_err(IndexRootError::Form)?;
        if entry.version != IndexRootEntry::VERSION {
            return Err(IndexRootError::Version { found: entry.version });
        }
        if serde_json::to_vec(&entry).map_err(IndexRootError::Form)? != captured {
            return Err(IndexRootError::SecondForm);
        }
        let root = Hash::from_base64(&entry.root).ok_or(IndexRootError::Hash { what: "root" })?;
        let salt = *Hash::from_base64(&entry.salt).ok_or(IndexRootError::Hash { what: "salt" })?.as_bytes();
        let head = IndexHead { leaves: entry.from..entry.to, rows: entry.rows, root, salt };
        Ok(Self { entry, head })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = concat!(
        r#"{"version":1,"from":0,"to":5,"generation":0,"rows":3,"#,
        r#""root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","#,
        r#""salt":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","#,
        r#""records":4,"unread":0,"erased":0,"rejects":1,"parsers":{"aws_cloudtrail":3}}"#
    );

    type Is = fn(&IndexRootError) -> bool;

    #[test]
    fn an_entry_has_one_form() {
        let root = IndexRoot::parse(ENTRY.as_bytes()).unwrap();
        assert_eq!((root.head.leaves, root.head.rows), (0..5, 3));
        let cases: [(&str, String, Is); 6] = [
            ("no JSON", "{".to_owned(), |why| matches!(why, IndexRootError::Form(_))),
            ("a field more", ENTRY.replace("\"from\"", "\"since\":1,\"from\""), |why| {
                matches!(why, IndexRootError::Form(_))
            }),
            ("a field less", ENTRY.replace("\"unread\":0,", ""), |why| {
                matches!(why, IndexRootError::Form(_))
            }),
            ("another version", ENTRY.replace("\"version\":1", "\"version\":2"), |why| {
                matches!(why, IndexRootError::Version { found: 2 })
            }),
            ("a blank", ENTRY.replace("\"from\":0", "\"from\": 0"), |why| {
                matches!(why, IndexRootError::SecondForm)
            }),
            ("a short root", ENTRY.replacen("47DE", "", 1), |why| {
                matches!(why, IndexRootError::Hash { what: "root" })
            }),
        ];
        for (name, text, is) in &cases {
            let refused = IndexRoot::parse(text.as_bytes()).unwrap_err();
            assert!(is(&refused), "{name}: {refused}");
        }
    }
}
