//! What an error says together with everything that caused it, on one line.

use std::error::Error;

/// The error's text, and behind it the text of each cause.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
