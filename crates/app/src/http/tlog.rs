//! A ledger as static files, as C2SP tlog-tiles v0.1.0 serves them: its checkpoint, its tiles and the envelopes of its
//! entries, and nothing else. No record, no salt and no key is in reach of it: a path is read as the name of a tile or
//! it is refused, so that there is nothing to climb out of.

use std::fs;
use std::io::{self, Write as _};

use ascribe_ledger::{LedgerPaths, SignedCheckpoint, TilePath, VerifierKey};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Method;

use super::{Reply, Request};

/// What never changes may be kept for ever.
const FOR_EVER: (&str, &str) = ("cache-control", "public, max-age=31536000, immutable");

const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

/// A ledger that is served.
pub struct Tlog {
    paths: LedgerPaths,
    key: VerifierKey,
}

impl Tlog {
    /// Serves the ledger at `paths`, as far as checkpoints signed by `key` cover it.
    pub const fn new(paths: LedgerPaths, key: VerifierKey) -> Self {
        Self { paths, key }
    }

    /// Answers one request.
    pub fn answer(&self, request: &Request) -> Reply {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Reply::text(405, "only GET and HEAD\n");
        }
        let Some(name) = request.path.strip_prefix('/') else { return not_found() };
        match self.file(name, request.takes_gzip) {
            Ok(reply) => reply,
            Err(error) if error.kind() == io::ErrorKind::NotFound => not_found(),
            Err(_) => Reply::text(500, "the file cannot be read\n"),
        }
    }

    fn file(&self, name: &str, takes_gzip: bool) -> io::Result<Reply> {
        if name == "checkpoint" {
            let body = self.checkpoint()?.note().to_owned().into_bytes();
            let fields = vec![("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-cache")];
            return Ok(Reply { status: 200, fields, body });
        }
        let Some(path) = TilePath::parse(name) else { return Ok(not_found()) };
        // Beyond the checkpoint a crash may have torn a file, and it may still change.
        if !is_covered(path, self.checkpoint()?.size()) {
            return Ok(not_found());
        }
        let body = fs::read(self.paths.ledger.join(name))?;
        if matches!(path, TilePath::Bundle(_)) {
            let mut fields = vec![BYTES, FOR_EVER, ("vary", "accept-encoding")];
            if takes_gzip {
                fields.push(("content-encoding", "gzip"));
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&body)?;
                return Ok(Reply { status: 200, fields, body: encoder.finish()? });
            }
            return Ok(Reply { status: 200, fields, body });
        }
        Ok(Reply { status: 200, fields: vec![BYTES, FOR_EVER], body })
    }

    fn checkpoint(&self) -> io::Result<SignedCheckpoint> {
        let note = fs::read(self.paths.published_checkpoint())?;
        SignedCheckpoint::open(&note, &self.key).map_err(io::Error::other)
    }
}

/// Whether a tree of `size` leaves has the whole tile.
fn is_covered(path: TilePath, size: u64) -> bool {
    let (level, index, width) = match path {
        TilePath::Tile(id) => (id.level(), id.index(), id.width()),
        TilePath::Bundle(id) => (0, id.index(), id.width()),
    };
    let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    index.checked_mul(256).and_then(|first| first.checked_add(width as u64)).is_some_and(|end| end <= hashes)
}

fn not_found() -> Reply {
    Reply::text(404, "there is no such tile\n")
}
