//! The two secret keys of a capture policy: one to hash values, one to seal them. Each is a file of one line,
//! `ascribe-<use>-key-v1+<base64 of 32 bytes>`, that only its owner may read.
//!
//! It knows how keys are made, kept and used, and nothing of policies.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ascribe_ledger::durable::{Disk, DurableError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// Separates the hashes of values from all others.
const HASH_DOMAIN: &[u8] = b"ascribe/hashed-value/v1\0";
/// Bound to each sealed value, so that it cannot pass as anything else.
const SEAL_DOMAIN: &[u8] = b"ascribe/sealed-value/v1\0";
/// Separates the id of a key from everything that is made with it.
const KEY_ID_DOMAIN: &[u8] = b"ascribe/seal-key-id/v1\0";

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Hashing values.
    Hash,
    /// Sealing them.
    Seal,
}

/// A secret key of 32 random bytes.
#[derive(Clone)]
pub struct SecretKey {
    bytes: [u8; 32],
    of: KeyUse,
}

/// A key cannot be made, read or written. Its text is secret and never shown.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// It cannot be read.
    #[error("cannot read the key `{}`", path.display())]
    Read {
        /// The key's file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It is no key.
    #[error("`{}` does not hold a key to {} values", path.display(), of.verb())]
    Form {
        /// The key's file.
        path: PathBuf,
        /// What it is for.
        of: KeyUse,
    },
    /// It cannot be overwritten and removed.
    #[error("cannot overwrite and remove the key `{}`", path.display())]
    Destroy {
        /// The key's file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write a key")]
    Write(#[source] DurableError),
}

/// Why a sealed value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open with this key: it was altered, or sealed with another")]
pub struct DoesNotOpen;

/// The value is longer than the cipher takes: 256 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is too long to be sealed")]
pub struct DoesNotSeal;

impl KeyUse {
    /// The use in one word.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Seal => "seal",
        }
    }

    fn prefix(self) -> String {
        format!("ascribe-{}-key-v1+", self.verb())
    }
}

impl SecretKey {
    /// Draws a new key.
    pub fn draw(of: KeyUse) -> Result<Self, SecretKeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SecretKeyError::Random)?;
        Ok(Self { bytes, of })
    }

    /// Draws a new key and writes it to a file that must not exist yet.
    pub fn create(path: &Path, of: KeyUse) -> Result<(), SecretKeyError> {
        let text = format!("{}{}\n", of.prefix(), STANDARD.encode(Self::draw(of)?.bytes));
        Disk::default().create_private_file(path, text.as_bytes()).map_err(SecretKeyError::Write)
    }

    /// Destroys a key file: its bytes are overwritten, as far as the medium writes in place, and the file removed.
    ///
    /// A crash in between leaves a file that holds no key any more, or the key; the same again removes either.
    pub fn destroy(path: &Path) -> Result<(), SecretKeyError> {
        let failed = |source| SecretKeyError::Destroy { path: path.to_owned(), source };
        let mut file = fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        io::copy(&mut io::repeat(0).take(length), &mut file).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::remove_file(path).map_err(failed)?;
        Disk::default().sync_folder(path.parent().unwrap_or(path)).map_err(SecretKeyError::Write)
    }

    /// Reads a key file.
    pub fn load(path: &Path, of: KeyUse) -> Result<Self, SecretKeyError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SecretKeyError::Read { path: path.to_owned(), source })?;
        let encoded = text.trim_end().strip_prefix(&of.prefix());
        let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| SecretKeyError::Form { path: path.to_owned(), of })?;
        Ok(Self { bytes, of })
    }

    /// HMAC-SHA-256 (RFC 2104) of a domain and the value.
    pub fn hash(&self, value: &[u8]) -> [u8; 32] {
        let mut mac = hmac_of(&self.bytes);
        mac.update(HASH_DOMAIN);
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// Names the key without telling it.
    pub fn id(&self) -> [u8; 16] {
        let digest: [u8; 32] =
            Sha256::new().chain_update(KEY_ID_DOMAIN).chain_update(self.bytes).finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }

    /// Encrypts `content` (XChaCha20-Poly1305), bound to the commitment that stands in its place.
    pub fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        commitment: &[u8; 32],
        content: &[u8],
    ) -> Result<Vec<u8>, DoesNotSeal> {
        let bound = [SEAL_DOMAIN, commitment].concat();
        let payload = Payload { msg: content, aad: &bound };
        self.cipher().encrypt(&XNonce::from(*nonce), payload).map_err(|_| DoesNotSeal)
    }

    /// Decrypts what [`SecretKey::seal`] gave.
    pub fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        commitment: &[u8; 32],
        sealed: &[u8],
    ) -> Result<Vec<u8>, DoesNotOpen> {
        let bound = [SEAL_DOMAIN, commitment].concat();
        let payload = Payload { msg: sealed, aad: &bound };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| DoesNotOpen)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.bytes.into())
    }
}

fn hmac_of(key: &[u8; 32]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key).expect("HMAC takes a key of 32 bytes")
}

/// Shows what it is for only.
impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({})", self.of.verb())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write throw-away files")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_alone_and_is_for_one_use() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hash.key");
        SecretKey::create(&path, KeyUse::Hash).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let key = SecretKey::load(&path, KeyUse::Hash).unwrap();
        assert_eq!(key.hash(b"a"), SecretKey::load(&path, KeyUse::Hash).unwrap().hash(b"a"));
        assert_ne!(key.hash(b"a"), key.hash(b"b"));
        assert!(matches!(SecretKey::load(&path, KeyUse::Seal), Err(SecretKeyError::Form { .. })));
        assert!(matches!(SecretKey::create(&path, KeyUse::Hash), Err(SecretKeyError::Write(_))), "it stays");
        fs::write(&path, "ascribe-hash-key-v1+AAAA\n").unwrap();
        assert!(matches!(SecretKey::load(&path, KeyUse::Hash), Err(SecretKeyError::Form { .. })));
    }

    /// Computed by `printf 'ascribe/hashed-value/v1\0a' | openssl dgst -sha256 -mac HMAC -macopt hexkey:11…`.
    #[test]
    fn a_known_hash() {
        let key = SecretKey { bytes: [0x11; 32], of: KeyUse::Hash };
        let hex = key.hash(b"a").map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex, "0f6854bc355cf13d5cc9590211f27bc6b6a6ecafa6c75a3ab658284e020fe87c");
    }

    #[test]
    fn what_is_altered_or_moved_does_not_open() {
        let key = SecretKey { bytes: [7; 32], of: KeyUse::Seal };
        let sealed = key.seal(&[1; NONCE_BYTES], &[2; 32], b"value").unwrap();
        assert_eq!(key.open(&[1; NONCE_BYTES], &[2; 32], &sealed).unwrap(), b"value");
        assert_eq!(key.open(&[1; NONCE_BYTES], &[3; 32], &sealed), Err(DoesNotOpen));
        assert_eq!(key.open(&[9; NONCE_BYTES], &[2; 32], &sealed), Err(DoesNotOpen));
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&[1; NONCE_BYTES], &[2; 32], &altered), Err(DoesNotOpen));
        }
    }
}
