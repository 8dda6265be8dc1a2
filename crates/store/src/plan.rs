//! Which ranges to fold next. Pure arithmetic over leaf numbers.
//!
//! Leaves lie in ranges of [`RANGE`]. A complete range is one segment, so it is the same whoever folded it and in how
//! many batches; sixteen of them may become a unit, which is complete for good. Parts of the last range are folded again, wider, when neighbours are of similar size, so that a leaf
//! is folded about log₃ times and the last range never has more than a few dozen parts.

use std::ops::Range;

/// Leaves in a complete segment.
pub const RANGE: u64 = 65_536;

/// Leaves in a unit: complete segments that compaction makes one.
pub const UNIT: u64 = 16 * RANGE;

/// The ranges to fold, in order, so that a store with these `segments` reaches `end`: ranges that are complete but not
/// one segment, and the last part, widened.
///
/// `segments` are in order and without gaps, from leaf 0.
pub(crate) fn plan(segments: &[Range<u64>], end: u64) -> Vec<Range<u64>> {
    let folded = segments.last().map_or(0, |segment| segment.end);
    let last_range = end - end % RANGE;
    let mut ranges = Vec::new();
    let mut rest = segments;
    let mut complete = 0;
    for range_start in (0..last_range).step_by(RANGE as usize) {
        let within = rest.partition_point(|segment| segment.start < range_start + RANGE);
        let parts;
        (parts, rest) = rest.split_at(within);
        // A range by itself, or the first of a unit.
        if let [segment] = parts
            && segment.start == range_start
        {
            complete = segment.end;
        }
        let range = range_start..range_start + RANGE;
        if complete < range.end {
            ranges.push(range);
        }
    }
    if end > folded {
        let start = folded.max(last_range);
        if start < end {
            ranges.push(widened(rest, start, end)..end);
        }
    } else if let Some((last, before)) = rest.split_last() {
        let start = widened(before, last.start, last.end);
        if start < last.start {
            ranges.push(start..last.end);
        }
    }
    ranges
}

/// The units all of whose ranges are folded, and are still segments of their own.
pub(crate) fn units(segments: &[Range<u64>]) -> Vec<Range<u64>> {
    let folded = segments.last().map_or(0, |segment| segment.end);
    let units = (0..folded - folded % UNIT).step_by(UNIT as usize).map(|first| first..first + UNIT);
    let is_open = |unit: &Range<u64>| {
        let start = segments.partition_point(|segment| segment.start < unit.start);
        let end = segments.partition_point(|segment| segment.start < unit.end);
        segments[start..end].iter().all(|segment| length(segment) == RANGE)
            && end - start == (UNIT / RANGE) as usize
    };
    units.filter(is_open).collect()
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
        let check = |segments: &[(u64, u64)], end: u64, expected: &[(u64, u64)]| {
            let ranges: Vec<_> = segments.iter().map(|segment| segment.0..segment.1).collect();
            let planned = plan(&ranges, end);
            let planned: Vec<_> = planned.iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(planned, expected, "{segments:?} to {end}");
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
        check(&[(0, RANGE), (RANGE, RANGE + 9)], RANGE + 10, &[(RANGE + 9, RANGE + 10)]);
        // Segments that came about without a plan.
        check(&[(0, 100), (100, RANGE)], RANGE, &[(0, RANGE)]);
        check(&[(0, 100), (100, RANGE), (RANGE, RANGE + 7)], RANGE + 7, &[(0, RANGE)]);
        check(&[(0, 10), (10, 20), (20, 30)], 30, &[(0, 30)]);
        check(&[(0, 10)], 10, &[]);
        check(&[(0, RANGE)], RANGE, &[]);
        // Units.
        check(&[(0, UNIT)], UNIT, &[]);
        check(&[(0, UNIT)], UNIT + 7, &[(UNIT, UNIT + 7)]);
        check(&[(0, UNIT), (UNIT, UNIT + 7)], UNIT + RANGE, &[(UNIT, UNIT + RANGE)]);
    }

    #[test]
    fn units_are_complete_ranges_of_one_place() {
        let ranges = |from: u64, to: u64| (from..to).map(|number| number * RANGE..(number + 1) * RANGE);
        let check = |segments: &[Range<u64>], expected: &[u64]| {
            let firsts: Vec<u64> = units(segments).iter().map(|unit| unit.start).collect();
            assert_eq!(firsts, expected, "{segments:?}");
        };
        let whole: Vec<_> = ranges(0, 33).collect();
        check(&[], &[]);
        check(&whole[..15], &[]);
        check(&whole[..16], &[0]);
        check(&whole, &[0, UNIT]);
        let with_unit: Vec<_> = std::iter::once(0..UNIT).chain(ranges(16, 33)).collect();
        check(&with_unit, &[UNIT]);
        check(&[&[0..7, 7..RANGE], &whole[1..]].concat(), &[UNIT]);
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
                for range in plan(&segments, end) {
                    work += length(&range);
                    segments.retain(|segment| segment.end <= range.start);
                    prop_assert_eq!(segments.last().map_or(0, |segment| segment.end), range.start);
                    segments.push(range);
                }
                folded = end;
                prop_assert_eq!(segments.last().map(|segment| segment.end), Some(folded));
                prop_assert_eq!(plan(&segments, folded), vec![]);
            }
            let (complete, parts): (Vec<_>, Vec<_>) =
                segments.into_iter().partition(|segment| segment.end <= folded - folded % RANGE);
            prop_assert!(complete.iter().all(|segment| length(segment) == RANGE));
            prop_assert!(parts.len() <= 32);
            prop_assert!(work <= 16 * folded, "{} leaves folded for {}", work, folded);
        }
    }
}
