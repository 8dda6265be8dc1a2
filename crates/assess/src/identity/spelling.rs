//! Spellings that look like another: letters of other alphabets, digits for letters, and another case.
//!
//! It covers the letters that are confused most (a part of Unicode TR 39), one exchange at a time and all at once. A
//! name that differs in two exchanged letters and not in all is not found.

use std::collections::BTreeSet;

/// Characters that look alike, the Latin letter first.
const CONFUSABLE: &[&[char]] = &[
    &['a', 'а', 'α'],
    &['c', 'с', 'ϲ'],
    &['d', 'ԁ'],
    &['e', 'е'],
    &['h', 'һ'],
    &['i', 'і', 'ı', 'l', '1'],
    &['j', 'ј'],
    &['l', 'ӏ', '1', 'I', 'i'],
    &['n', 'ո'],
    &['o', 'о', 'ο', '0'],
    &['p', 'р', 'ρ'],
    &['q', 'ԛ'],
    &['s', 'ѕ', '5'],
    &['u', 'υ', 'ս'],
    &['v', 'ν', 'ѵ'],
    &['w', 'ԝ'],
    &['x', 'х'],
    &['y', 'у'],
    &['-', '‐', '‑', '–', '_', '.'],
];

/// Longest name of which other spellings are looked for, in characters.
const NAME_MAX: usize = 64;

/// Other texts that look like `name`.
pub(super) fn other_spellings(name: &str) -> BTreeSet<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut spellings = BTreeSet::new();
    if characters.len() > NAME_MAX {
        return spellings;
    }
    for (position, character) in characters.iter().enumerate() {
        for other in alike(*character) {
            let mut spelt = characters.clone();
            spelt[position] = other;
            spellings.insert(spelt.into_iter().collect());
        }
    }
    spellings.insert(characters.iter().map(|character| latin(*character)).collect());
    spellings.insert(name.to_lowercase());
    spellings.insert(name.to_uppercase());
    spellings.remove(name);
    spellings
}

fn alike(character: char) -> impl Iterator<Item = char> {
    let classes = CONFUSABLE.iter().filter(move |class| class.contains(&character));
    classes.flat_map(|class| class.iter().copied()).filter(move |other| *other != character)
}

/// The Latin letter that a letter of another alphabet looks like.
fn latin(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    let class = CONFUSABLE.iter().find(|class| class.contains(&character));
    class.map_or(character, |class| class[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_look_alikes_find_each_other() {
        for (name, other) in [
            ("alice", "аlice"),
            ("alice", "a1ice"),
            ("alice", "Alice".to_uppercase().as_str()),
            ("deploy-bot", "deploy_bot"),
            ("ореn", "open"),
        ] {
            assert!(other_spellings(name).contains(other), "{name} {other}");
        }
        assert!(other_spellings("a1ice").contains("alice"));
        assert!(!other_spellings("alice").contains("alice"));
    }

    #[test]
    fn long_names_are_left_alone() {
        assert!(other_spellings(&"a".repeat(65)).is_empty());
    }
}
