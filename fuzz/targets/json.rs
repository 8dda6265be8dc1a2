//! Any bytes as JSON: no panic, and every value of a valid document is itself a valid document.
//!
//! `cargo fuzz run json --sanitizer none`

#![no_main]

use ascribe_sources::json::{AtEnd, Kind, Prefix, Tape, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut tape = Tape::new();
    if let Prefix::Complete { length } = tape.parse_prefix(bytes, AtEnd::Yes) {
        assert!(length <= bytes.len());
        check(tape.root(bytes));
    }
});

fn check(value: Value<'_>) {
    let mut tape = Tape::new();
    let whole = Prefix::Complete { length: value.raw().len() };
    assert_eq!(tape.parse_prefix(value.raw(), AtEnd::Yes), whole);
    assert_eq!(value.text().is_some(), value.kind() == Kind::String);
    // One level is enough: each of these was checked as part of the whole.
    for child in value.items().chain(value.members().map(|(_, child)| child)) {
        let whole = Prefix::Complete { length: child.raw().len() };
        assert_eq!(tape.parse_prefix(child.raw(), AtEnd::Yes), whole);
    }
}
