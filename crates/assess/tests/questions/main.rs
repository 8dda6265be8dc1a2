//! Questions as a program asks them, over records as services write them.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod cases;
mod look_alikes;
#[path = "../joins/reading.rs"]
mod reading;
