//! Options of the tasks: a name and a number each, such as `--events 300_000`.

/// An option that no task has, or a value that is no number.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `{known}` with a whole number from 1, found `{found}`")]
pub struct OptionError {
    known: String,
    found: String,
}

/// Reads `arguments` into the values of `known`, which gives each option with its default, in its order.
pub fn numbers<const N: usize>(arguments: &[&str], known: [(&str, u64); N]) -> Result<[u64; N], OptionError> {
    let mut values = known.map(|(_, default)| default);
    for pair in arguments.chunks(2) {
        let place = known.iter().position(|(name, _)| pair.first() == Some(name));
        let value = pair.get(1).map(|text| text.replace('_', "").parse::<u64>());
        let (Some(place), Some(Ok(value @ 1..))) = (place, value) else {
            return Err(OptionError {
                known: known.map(|(name, _)| name).join("`, `"),
                found: pair.join(" "),
            });
        };
        values[place] = value;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, u64); 2] = [("--events", 300), ("--runs", 3)];

    #[test]
    fn values_replace_defaults() {
        assert_eq!(numbers(&[], KNOWN), Ok([300, 3]));
        assert_eq!(numbers(&["--runs", "1"], KNOWN), Ok([300, 1]));
        assert_eq!(numbers(&["--runs", "1", "--events", "2_000"], KNOWN), Ok([2_000, 1]));
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [&["--events"][..], &["--events", "many"], &["--more", "1"], &["--runs", "0"], &["7"]] {
            assert_eq!(numbers(wrong, KNOWN).unwrap_err().found, wrong.join(" "));
        }
    }
}
