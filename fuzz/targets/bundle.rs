//! Any bytes as a bundle: no panic, no verdict but a refusal, and memory in proportion to the input.
//!
//! `cargo fuzz run bundle --sanitizer none`

#![no_main]

use ascribe_bundle::{Check, Verdict, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The second begins as a bundle does, which the fuzzer would have to guess.
    let named = [&b"\x71ascribe/bundle/v1"[..], bytes].concat();
    for input in [bytes, &named] {
        if let Ok(report) = check(input, Check { key: None }) {
            // Nobody signs what a fuzzer makes up.
            assert_eq!(report.verdict(), Verdict::Invalid);
        }
    }
});
