//! Whether text for people may be coloured and redrawn: the conventions of NO_COLOR, CLICOLOR, CLICOLOR_FORCE and
//! TERM, in the order in which `clap` follows them for its own messages.

use std::io::{self, IsTerminal as _};

use crate::ops::Origin;

/// Whether standard error is coloured, and what decides it.
pub fn on_standard_error() -> (bool, Origin) {
    decide(
        |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        io::stderr().is_terminal(),
    )
}

/// Whether a terminal is a dumb one, on which nothing can be drawn again.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn decide(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> (bool, Origin) {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return (false, Origin::Environment("NO_COLOR"));
    }
    if is_set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE").is_none_or(|value| value != "0") {
        return (true, Origin::Environment("CLICOLOR_FORCE"));
    }
    match variable("CLICOLOR") {
        Some(value) if value == "0" => return (false, Origin::Environment("CLICOLOR")),
        Some(_) if is_terminal => return (true, Origin::Environment("CLICOLOR")),
        _ => {}
    }
    if is_terminal && variable("TERM").is_none_or(|term| term == "dumb") {
        return (false, Origin::Environment("TERM"));
    }
    (is_terminal, Origin::Terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conventions_are_followed_in_their_order() {
        for (variables, is_terminal, expected) in [
            (&[("TERM", "xterm")][..], true, (true, Origin::Terminal)),
            (&[("TERM", "xterm")], false, (false, Origin::Terminal)),
            (&[("TERM", "dumb")], true, (false, Origin::Environment("TERM"))),
            (&[], true, (false, Origin::Environment("TERM"))),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, (false, Origin::Environment("NO_COLOR"))),
            (&[("NO_COLOR", ""), ("TERM", "xterm")], true, (true, Origin::Terminal)),
            (
                &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")],
                false,
                (true, Origin::Environment("CLICOLOR_FORCE")),
            ),
            (&[("CLICOLOR_FORCE", "0"), ("TERM", "xterm")], false, (false, Origin::Terminal)),
            (&[("CLICOLOR", "0"), ("TERM", "xterm")], true, (false, Origin::Environment("CLICOLOR"))),
        ] {
            let value = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(decide(value, is_terminal), expected, "{variables:?} {is_terminal}");
        }
    }
}
