//! Which ranges to fold next. Pure arithmetic over leaf numbers.
//!
//! Leaves lie in ranges of [`RANGE`]. A complete range is one segment, so it is the same whoever folded it and in how
//! many batches. Parts of the last range are folded again, wider, when neighbours are of similar size, so that a leaf
//! is folded about log₃ times and the last range never has more than a few dozen parts.

use std::ops::Range;

/// Leaves in a complete segment.
pub const RANGE: u64 = 65_536;

/// The ranges to fold, in order, so that a store with these `parts` of its last range reaches `end`.
///
/// `folded` is where the parts end; each of them lies in the range of `folded - 1`.
pub(crate) fn plan(parts: &[Range<u64>], folded: u64, end: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut start = folded;
    while start < end {
        let range_start = start - start % RANGE;
        let range_end = range_start + RANGE;
        if range_end <= end {
            ranges.push(range_start..range_end);
            start = range_end;
            continue;
        }
        let parts = if range_start < folded { parts } else { &[] };
        let parts = parts.iter().filter(|part| part.start >= range_start).cloned().collect::<Vec<_>>();
        ranges.push(widened(&parts, start, end)..end);
        start = end;
    }
    ranges
}

/// Where a new part that ends at `end` should start, given the parts before it.
fn widened(parts: &[Range<u64>], mut start: u64, end: u64) -> u64 {
    let mut rest = parts;
    loop {
        let width = end - start;
        rest = match rest {
            // Small beside what is new: taking it along costs little.
            [before @ .., last] if length(last) * 2 <= width => before,
            // Two neighbours of similar size: three become one.
            [before @ .., first, second] if length(first).max(length(second)) <= width * 2 => before,
            _ => return start,
        };
        start = parts[rest.len()].start;
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_to_fold() {
        let check = |parts: &[(u64, u64)], end: u64, expected: &[(u64, u64)]| {
            let folded = parts.last().map_or(0, |part| part.1);
            let ranges: Vec<_> = parts.iter().map(|part| part.0..part.1).collect();
            let planned = plan(&ranges, folded, end);
            let planned: Vec<_> = planned.iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(planned, expected, "{parts:?} to {end}");
        };
        check(&[], 0, &[]);
        check(&[], 10, &[(0, 10)]);
        check(&[], RANGE, &[(0, RANGE)]);
        check(&[], 2 * RANGE + 5, &[(0, RANGE), (RANGE, 2 * RANGE), (2 * RANGE, 2 * RANGE + 5)]);
        check(&[(0, 10)], 20, &[(10, 20)]);
        check(&[(0, 10), (10, 20)], 30, &[(0, 30)]);
        check(&[(0, 30), (30, 40)], 41, &[(40, 41)]);
        check(&[(0, 1000)], 1010, &[(1000, 1010)]);
        check(&[(0, 10)], 1000, &[(0, 1000)]);
        check(&[(0, 100)], RANGE + 1, &[(0, RANGE), (RANGE, RANGE + 1)]);
        check(&[(RANGE, RANGE + 9)], RANGE + 10, &[(RANGE + 9, RANGE + 10)]);
        check(&[(0, 10)], 5, &[]);
        check(&[(0, 10)], 10, &[]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parts_stay_few_and_complete_ranges_are_single(
            batches in proptest::collection::vec(1_u64..3000, 1..200),
        ) {
            let mut segments: Vec<Range<u64>> = Vec::new();
            let (mut folded, mut work) = (0, 0);
            for batch in batches {
                let end = folded + batch;
                let parts: Vec<_> =
                    segments.iter().filter(|part| part.start >= folded - folded % RANGE).cloned().collect();
                for range in plan(&parts, folded, end) {
                    work += length(&range);
                    segments.retain(|segment| segment.end <= range.start);
                    prop_assert_eq!(segments.last().map_or(0, |segment| segment.end), range.start);
                    segments.push(range);
                }
                folded = end;
                prop_assert_eq!(segments.last().map(|segment| segment.end), Some(folded));
            }
            for segment in &segments[..segments.len() - 1] {
                prop_assert!(segment.end.div_ceil(RANGE) - segment.start / RANGE == 1);
            }
            let complete = segments.iter().filter(|segment| segment.end <= folded - folded % RANGE);
            prop_assert!(complete.clone().all(|segment| length(segment) == RANGE));
            prop_assert!(segments.len() - complete.count() <= 32);
            prop_assert!(work <= 16 * folded, "{} leaves folded for {}", work, folded);
        }
    }
}
