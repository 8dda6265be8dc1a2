//! A bundle as a stranger meets it: good ones, ones that were changed in every way, and the program that checks them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod completeness;
mod given;
mod keys;
mod program;
mod raw;
mod whole;
mod zoo;
