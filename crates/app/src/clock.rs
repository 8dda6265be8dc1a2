//! The one place where "now" enters the program.

use std::time::{SystemTime, UNIX_EPOCH};

use ascribe_model::Timestamp;

/// The present moment, in UTC, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Timestamp {
    let nanoseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanoseconds| -nanoseconds)
        }
    };
    Timestamp::from_nanoseconds(nanoseconds)
}
