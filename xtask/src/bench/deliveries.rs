//! Files as a trail delivers them: gzip objects of CloudTrail records in folders by account and region.
//!
//! Knows names and compression; what is in a record is `cloudtrail`'s.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::cloudtrail::{Cloud, time};

/// What to write.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    pub seed: u64,
    /// Records in all.
    pub events: u64,
    /// Records in each object but the last; a busy trail delivers about this many.
    pub events_per_object: u64,
    /// Accounts that deliver in turn.
    pub accounts: u64,
    /// Time of the first record, milliseconds since the Unix epoch.
    pub start_ms: i64,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    pub objects: u64,
    pub events: u64,
    /// Bytes of JSON.
    pub decoded_bytes: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{path}`")]
pub struct DeliverError {
    pub(super) path: PathBuf,
    #[source]
    pub(super) source: std::io::Error,
}

/// Accounts where it does not matter how many.
pub const ACCOUNTS: u64 = 6;

/// 2026-01-01T00:00:00Z in milliseconds since the Unix epoch.
pub const START_MS: i64 = 1_767_225_600_000;

/// Writes the files of `order` below `folder`, which is created.
pub fn write(order: Order, folder: &Path) -> Result<Delivered, DeliverError> {
    let mut cloud = Cloud::new(order.seed, order.accounts, order.start_ms);
    let mut delivered = Delivered::default();
    let mut body = String::new();
    while delivered.events < order.events {
        let records = order.events_per_object.min(order.events - delivered.events);
        body.clear();
        let delivery = cloud.deliver(delivered.objects, records, &mut body);
        let day = time(delivery.start_ms, "%Y/%m/%d");
        let (account, region) = (&delivery.account, delivery.region);
        let parent = folder.join(format!("AWSLogs/{account}/CloudTrail/{region}/{day}"));
        let moment = time(delivery.start_ms, "%Y%m%dT%H%MZ");
        // The number stands where AWS has a random text: names stay unique, and sort in order of delivery.
        let name = format!("{account}_CloudTrail_{region}_{moment}_{:016}.json.gz", delivered.objects);
        let path = parent.join(name);
        let file_bytes = std::fs::create_dir_all(&parent)
            .and_then(|()| write_gzip(&path, body.as_bytes()))
            .map_err(|source| DeliverError { path, source })?;
        delivered.objects += 1;
        delivered.events += records;
        delivered.decoded_bytes += body.len() as u64;
        delivered.file_bytes += file_bytes;
    }
    Ok(delivered)
}

fn write_gzip(path: &Path, bytes: &[u8]) -> std::io::Result<u64> {
    let mut encoder = GzEncoder::new(File::create(path)?, Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_filled_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let order =
            Order { seed: 1, events: 250, events_per_object: 100, accounts: ACCOUNTS, start_ms: START_MS };
        let delivered = write(order, folder.path()).unwrap();
        assert_eq!((delivered.objects, delivered.events), (3, 250));
        assert!(delivered.decoded_bytes > 250 * 1_000 && delivered.file_bytes < delivered.decoded_bytes / 3);
    }
}
