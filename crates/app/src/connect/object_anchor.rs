//! An anchor in an object store: the last checkpoint as one object, replaced by conditional put (`If-None-Match` for the
//! first, `If-Match` with the entity tag after it). `docs/anchor.md` says how to set one up.
//!
//! Which requests that takes, and how they are signed, is the business of the library. It knows neither keys nor trees.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use ascribe_ledger::{AnchorError, AnchorStore, Anchored, MAX_NOTE_BYTES};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};
use tokio::runtime::{Builder, Runtime};

/// Name of the object below the prefix: that of the file, elsewhere.
const OBJECT: &str = "checkpoint";

/// The last checkpoint in a bucket.
#[derive(Debug)]
pub struct ObjectAnchor {
    /// `s3://bucket/prefix`.
    url: String,
    opened: OnceLock<Opened>,
}

#[derive(Debug)]
struct Opened {
    store: Arc<dyn ObjectStore>,
    object: Path,
    runtime: Runtime,
}

/// The object is larger than any checkpoint.
#[derive(Debug, thiserror::Error)]
#[error("the object has {found} bytes, a checkpoint has at most {MAX_NOTE_BYTES}")]
struct TooLarge {
    found: u64,
}

/// The store gave no entity tag, by which states of the object are told apart.
#[derive(Debug, thiserror::Error)]
#[error("the object store gave no entity tag")]
struct NoTag;

impl ObjectAnchor {
    /// An anchor at `s3://bucket/prefix`. Nothing is asked of the store yet. Credentials, region and endpoint come from
    /// the environment that other programs use (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`…).
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), opened: OnceLock::new() }
    }

    fn opened(&self, act: &'static str) -> Result<&Opened, AnchorError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let store = AmazonS3Builder::from_env()
            .with_url(&self.url)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .build()
            .map_err(|error| self.unreachable(act, error))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| self.unreachable(act, error))?;
        let below = self.url.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let prefix = below.map_or("", |(_, prefix)| prefix);
        let object = Path::parse(format!("{prefix}/{OBJECT}").trim_start_matches('/'))
            .map_err(|error| self.unreachable(act, error))?;
        Ok(self.opened.get_or_init(|| Opened { store: Arc::new(store), object, runtime }))
    }

    fn unreachable(&self, act: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> AnchorError {
        AnchorError::Unreachable { act, place: self.place(), source: source.into() }
    }
}

impl AnchorStore for ObjectAnchor {
    fn place(&self) -> String {
        format!("{}/{OBJECT}", self.url)
    }

    fn read(&self) -> Result<Option<Anchored>, AnchorError> {
        const ACT: &str = "read";
        let Opened { store, object, runtime } = self.opened(ACT)?;
        runtime.block_on(async {
            let found = match store.get(object).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                found => found.map_err(|error| self.unreachable(ACT, error))?,
            };
            if found.meta.size > MAX_NOTE_BYTES as u64 {
                return Err(self.unreachable(ACT, TooLarge { found: found.meta.size }));
            }
            let tag = found.meta.e_tag.clone().ok_or_else(|| self.unreachable(ACT, NoTag))?;
            let note = found.bytes().await.map_err(|error| self.unreachable(ACT, error))?;
            Ok(Some(Anchored { note: note.to_vec(), version: Some(tag) }))
        })
    }

    fn replace(&self, expected: Option<&Anchored>, next: &str) -> Result<Anchored, AnchorError> {
        const ACT: &str = "replace";
        let Opened { store, object, runtime } = self.opened(ACT)?;
        let mode = match expected {
            None => PutMode::Create,
            Some(anchored) => {
                PutMode::Update(UpdateVersion { e_tag: anchored.version.clone(), version: None })
            }
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = runtime.block_on(store.put_opts(object, next.as_bytes().to_vec().into(), options));
        match put {
            // Durable and seen by everybody: that is what the store promises of a put that it acknowledged.
            Ok(put) => {
                let tag = put.e_tag.ok_or_else(|| self.unreachable(ACT, NoTag))?;
                Ok(Anchored { note: next.as_bytes().to_vec(), version: Some(tag) })
            }
            // An object that is gone holds something else than what was expected, too.
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. }
                | object_store::Error::NotFound { .. },
            ) => Err(AnchorError::moved(self.place(), expected, self.read()?.as_ref())),
            Err(error) => Err(self.unreachable(ACT, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn only_what_was_read_is_replaced() {
        let anchor = ObjectAnchor::new("s3://bucket/prefix/");
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (store, object) = (Arc::new(InMemory::new()), Path::from("prefix/checkpoint"));
        anchor.opened.set(Opened { store, object, runtime }).unwrap();
        assert_eq!(anchor.place(), "s3://bucket/prefix/checkpoint");
        assert_eq!(anchor.read().unwrap(), None);
        let absent = Anchored { note: b"zero".to_vec(), version: Some("7".to_owned()) };
        assert!(matches!(anchor.replace(Some(&absent), "one"), Err(AnchorError::Moved { found: None, .. })));
        let one = anchor.replace(None, "one").unwrap();
        assert!(matches!(anchor.replace(None, "two"), Err(AnchorError::Moved { .. })));
        let two = anchor.replace(Some(&one), "two").unwrap();
        assert!(matches!(anchor.replace(Some(&one), "three"), Err(AnchorError::Moved { .. })));
        assert_eq!(anchor.read().unwrap(), Some(two));
    }
}
