//! What stands for an anchor in an object store where the program was built without the feature for it: every use is a
//! clear error, so that nobody believes that an anchor is kept.

use ascribe_ledger::{AnchorError, AnchorStore, Anchored};

/// An anchor that this build cannot reach.
#[derive(Debug)]
pub struct ObjectAnchor {
    url: String,
}

/// The program was built without it.
#[derive(Debug, thiserror::Error)]
#[error("this `ascribe` was built without object stores; build it with `--features object-store`")]
struct Unsupported;

impl ObjectAnchor {
    /// An anchor at `s3://bucket/prefix`.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    fn unsupported(&self, act: &'static str) -> AnchorError {
        AnchorError::Unreachable { act, place: self.place(), source: Unsupported.into() }
    }
}

impl AnchorStore for ObjectAnchor {
    fn place(&self) -> String {
        self.url.clone()
    }

    fn read(&self) -> Result<Option<Anchored>, AnchorError> {
        Err(self.unsupported("read"))
    }

    fn replace(&self, _: Option<&Anchored>, _: &str) -> Result<Anchored, AnchorError> {
        Err(self.unsupported("replace"))
    }
}
