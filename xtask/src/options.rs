//! Options of the tasks: a name and a value each, such as `--events 300_000` or `--kinds vault,kubernetes`.

/// An option that no task has, or a value that it does not take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error("expected one of `{known}` with a whole number from 1, found `{found}`")]
    Number { known: String, found: String },
    #[error("`{name}` takes one or more of `{known}` with commas between them, found `{found}`")]
    Choice { name: &'static str, known: String, found: String },
}

/// Takes the option `name` out of `arguments`: the chosen ones among `known`, in its order. Without it all are chosen.
pub fn choices<T: Copy>(
    arguments: &mut Vec<&str>,
    name: &'static str,
    known: &[(&str, T)],
) -> Result<Vec<T>, OptionError> {
    let Some(place) = arguments.iter().step_by(2).position(|argument| *argument == name) else {
        return Ok(known.iter().map(|(_, choice)| *choice).collect());
    };
    let end = arguments.len().min(place * 2 + 2);
    let pair: Vec<&str> = arguments.drain(place * 2..end).collect();
    let chosen: Vec<&str> = pair.get(1).map(|list| list.split(',').collect()).unwrap_or_default();
    if chosen.is_empty() || chosen.iter().any(|choice| !known.iter().any(|(known, _)| known == choice)) {
        let known: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
        return Err(OptionError::Choice { name, known: known.join("`, `"), found: chosen.join(",") });
    }
    Ok(known.iter().filter(|(known, _)| chosen.contains(known)).map(|(_, choice)| *choice).collect())
}

/// Reads `arguments` into the values of `known`, which gives each option with its default, in its order.
pub fn numbers<const N: usize>(arguments: &[&str], known: [(&str, u64); N]) -> Result<[u64; N], OptionError> {
    let mut values = known.map(|(_, default)| default);
    for pair in arguments.chunks(2) {
        let place = known.iter().position(|(name, _)| pair.first() == Some(name));
        let value = pair.get(1).map(|text| text.replace('_', "").parse::<u64>());
        let (Some(place), Some(Ok(value @ 1..))) = (place, value) else {
            return Err(OptionError::Number {
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
            let found = wrong.join(" ");
            let known = "--events`, `--runs".to_owned();
            assert_eq!(numbers(wrong, KNOWN), Err(OptionError::Number { known, found }));
        }
    }

    #[test]
    fn choices_are_taken_out_in_their_order() {
        const FRUITS: [(&str, u8); 3] = [("apple", 1), ("pear", 2), ("plum", 3)];
        let take = |arguments: &[&'static str]| {
            let mut arguments = arguments.to_vec();
            let chosen = choices(&mut arguments, "--fruits", &FRUITS)?;
            Ok((chosen, arguments))
        };
        assert_eq!(take(&["--runs", "1"]), Ok((vec![1, 2, 3], vec!["--runs", "1"])));
        assert_eq!(take(&["--fruits", "plum,apple", "--runs", "1"]), Ok((vec![1, 3], vec!["--runs", "1"])));
        assert_eq!(take(&["--runs", "1", "--fruits", "pear"]), Ok((vec![2], vec!["--runs", "1"])));
        for wrong in [&["--fruits"][..], &["--fruits", ""], &["--fruits", "fig"], &["--fruits", "pear,"]] {
            assert!(matches!(take(wrong), Err(OptionError::Choice { .. })), "{wrong:?}");
        }
    }
}
