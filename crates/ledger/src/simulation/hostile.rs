//! Records that break readers, and times that make no sense: each is kept byte for byte or refused with its reason, and
//! the order of entries is that of arrival whatever their times say.

use std::sync::Arc;

use super::disk::SimulatedDisk;
use super::random::Random;
use super::workload::{chain, key};
use crate::durable::Disk;
use crate::{AppendError, Draft, Kind, Ledger, LedgerPaths, MAX_RECORD_BYTES, Reader, verify};

/// Records with a name each, for what they are.
pub fn records() -> Vec<(&'static str, Vec<u8>)> {
    let noise = |length: usize| {
        let mut bytes = vec![0; length];
        Random::new(length as u64).fill(&mut bytes);
        bytes
    };
    vec![
        ("no bytes", Vec::new()),
        ("one byte less than 64 KiB", noise((64 << 10) - 1)),
        ("64 KiB", noise(64 << 10)),
        ("one byte more than 64 KiB", noise((64 << 10) + 1)),
        ("one byte less than a block", noise((256 << 10) - 1)),
        ("one byte more than a block", noise((256 << 10) + 1)),
        ("one byte less than the limit", noise(MAX_RECORD_BYTES - 1)),
        ("the limit", vec![0; MAX_RECORD_BYTES]),
        ("one byte more than the limit", vec![0x20; MAX_RECORD_BYTES + 1]),
        ("bytes that are not UTF-8", vec![0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
        ("JSON 10,000 levels deep", [b"[".repeat(10_000), b"]".repeat(10_000)].concat()),
        ("JSON with repeated keys", b"{\"a\":1,\"a\":2,\"\\u0061\":3}".to_vec()),
        (
            "JSON with numbers beyond any type",
            [b"{\"n\":-".as_slice(), &b"9".repeat(5_000), b"e999999}"].concat(),
        ),
        ("a segment footer", b"\0\0\0\x01\0\0\0\0ASCRFTR1".to_vec()),
        ("a block header", b"ABLK\0\0\0\0\0\0\0\0\0\0\0\x01".to_vec()),
        ("terminal controls", b"\x1b]0;title\x07\x1b[2J\r\n\0".to_vec()),
    ]
}

/// Appends every record with times that jump, closes, opens and compares. Returns how many were kept and refused.
pub fn keep_or_refuse() -> Result<(u64, u64), String> {
    let paths = LedgerPaths::new("/ledger", "/anchor").on(Disk::on(Arc::new(SimulatedDisk::new(0))));
    let mut ledger = Ledger::create(&paths, key()?).map_err(|error| chain(&error))?;
    let mut random = Random::new(0);
    let mut kept = Vec::new();
    let mut refused = 0;
    for (name, captured) in records() {
        let received_at = *random.choose(&[i64::MIN, -1, 0, 1, i64::MAX]).unwrap_or(&0);
        match ledger.append(&[record(&captured, received_at)]) {
            Ok(leaves) if leaves.start == kept.len() as u64 => kept.push((name, received_at, captured)),
            Ok(leaves) => return Err(format!("{name}: became leaves {leaves:?}")),
            Err(AppendError::RecordTooLarge { found, .. }) if found > MAX_RECORD_BYTES => refused += 1,
            Err(error) => return Err(format!("{name}: {}", chain(&error))),
        }
    }
    ledger.checkpoint().map_err(|error| chain(&error))?;
    drop(ledger);
    let (ledger, _) = Ledger::open(&paths, key()?).map_err(|error| chain(&error))?;
    let reader = Reader::open(&paths, key()?.verifier()).map_err(|error| chain(&error))?;
    for ((name, received_at, captured), leaf) in kept.iter().zip(0..) {
        let entry = reader.proven_entry(leaf).map_err(|error| format!("{name}: {}", chain(&error)))?;
        if entry.captured() != Some(captured.as_slice()) || entry.envelope().received_at != *received_at {
            return Err(format!("{name}: came back as something else"));
        }
    }
    let report = verify(&paths, key()?.verifier(), &|_| {});
    if let Some(problem) = report.problems.first() {
        return Err(format!("verify: {}", chain(problem)));
    }
    if ledger.size() == kept.len() as u64 {
        Ok((ledger.size(), refused))
    } else {
        Err("entries are missing".to_owned())
    }
}

/// A record on its own.
fn record(captured: &[u8], received_at: i64) -> Draft<'_> {
    Draft {
        kind: Kind::Record,
        stream: None,
        object: None,
        span: None,
        received_at,
        captured,
        received: None,
    }
}

/// Appends entries whose times jump by any amount in either direction. Returns how many: order and proofs are those of
/// arrival.
pub fn jump_clocks(entries: u64, seed: u64) -> Result<u64, String> {
    let paths = LedgerPaths::new("/ledger", "/anchor").on(Disk::on(Arc::new(SimulatedDisk::new(seed))));
    let mut ledger = Ledger::create(&paths, key()?).map_err(|error| chain(&error))?;
    let mut random = Random::new(seed);
    let mut times = Vec::new();
    while ledger.size() < entries {
        let received_at = match random.below(4) {
            0 => random.number().cast_signed(),
            1 => -(random.below(1 << 40).cast_signed()),
            _ => times.last().copied().unwrap_or(0_i64).saturating_add(random.below(1_000).cast_signed()),
        };
        let captured = format!("arrival {}", times.len());
        ledger.append(&[record(captured.as_bytes(), received_at)]).map_err(|error| chain(&error))?;
        times.push(received_at);
        if random.chance(1, 20) {
            ledger.checkpoint().map_err(|error| chain(&error))?;
        }
    }
    ledger.checkpoint().map_err(|error| chain(&error))?;
    let reader = ledger.reader().map_err(|error| chain(&error))?;
    for (time, leaf) in times.iter().zip(0..) {
        let entry = reader.proven_entry(leaf).map_err(|error| chain(&error))?;
        let arrival = format!("arrival {leaf}");
        if entry.envelope().received_at != *time || entry.captured() != Some(arrival.as_bytes()) {
            return Err(format!("leaf {leaf} is not the entry that arrived then"));
        }
    }
    let report = verify(&paths, key()?.verifier(), &|_| {});
    report.problems.first().map_or(Ok(ledger.size()), |problem| Err(format!("verify: {}", chain(problem))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_records_are_kept_byte_for_byte_or_refused() {
        assert_eq!(keep_or_refuse(), Ok((records().len() as u64 - 1, 1)));
    }

    #[test]
    fn order_does_not_depend_on_clocks() {
        assert_eq!(jump_clocks(300, 1), Ok(300));
    }
}
