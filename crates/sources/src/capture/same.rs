//! Whether an event says the same after values were withheld: the rule that a capture policy must never break.
//!
//! What only people read may show a placeholder where the value stood: messages, addresses, what clients call
//! themselves. What is reasoned with has to be equal: keys, identities, times, verbs, outcomes, effects, resources.

use ascribe_model::{Authority, Event, Origin, Outcome};

use crate::secrets::placeholder_spans;

/// Whether `after` is `before`, less what was withheld. Ids are left out: they are taken over captured bytes.
pub(super) fn same_less_withheld(before: &[Event], after: &[Event]) -> bool {
    before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            restored(before, after).is_some_and(|restored| Event { id: before.id, ..restored } == *before)
        })
}

/// `after` with the texts of `before` wherever a placeholder may stand for a part of them; `None` where one does not.
fn restored(before: &Event, after: &Event) -> Option<Event> {
    let mut event = after.clone();
    restore_outcome(&before.outcome, &mut event.outcome)?;
    each(&before.authorities, &mut event.authorities, restore_authority)?;
    restore_origin(&before.src_endpoint, &mut event.src_endpoint)?;
    each(&before.coverage_hints, &mut event.coverage_hints, |before, after| {
        restore(&before.note, &mut after.note)
    })?;
    Some(event)
}

fn restore_outcome(before: &Outcome, after: &mut Outcome) -> Option<()> {
    restore_option(before.status_detail.as_ref(), after.status_detail.as_mut())
}

fn restore_authority(before: &Authority, after: &mut Authority) -> Option<()> {
    restore_option(before.detail.as_ref(), after.detail.as_mut())
}

fn restore_origin(before: &Origin, after: &mut Origin) -> Option<()> {
    restore_option(before.user_agent.as_ref(), after.user_agent.as_mut())?;
    each(&before.addresses, &mut after.addresses, |before, after| restore(&before.ip, &mut after.ip))
}

fn each<T>(before: &[T], after: &mut [T], restore: impl Fn(&T, &mut T) -> Option<()>) -> Option<()> {
    if before.len() != after.len() {
        return None;
    }
    before.iter().zip(after).try_for_each(|(before, after)| restore(before, after))
}

fn restore_option(before: Option<&String>, after: Option<&mut String>) -> Option<()> {
    match (before, after) {
        (None, None) => Some(()),
        (Some(before), Some(after)) => restore(before, after),
        _ => None,
    }
}

/// Puts `before` in the place of `after`, if that is `before` with placeholders for parts of it.
fn restore(before: &str, after: &mut String) -> Option<()> {
    if !is_less(before, after) {
        return None;
    }
    before.clone_into(after);
    Some(())
}

fn is_less(before: &str, after: &str) -> bool {
    if before == after {
        return true;
    }
    let mut kept = Vec::new();
    let mut behind = 0;
    for span in placeholder_spans(after) {
        kept.push(&after[behind..span.start]);
        behind = span.end;
    }
    let (Some(first), last) = (kept.first(), &after[behind..]) else { return false };
    let Some(mut rest) = before.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    kept[1..].iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_placeholders_is_less_than_the_text_that_they_stand_in() {
        for (before, after, less) in [
            ("a", "a", true),
            ("10.0.0.1", "[withheld:policy.x]", true),
            ("from 10.0.0.1 to b", "from [withheld:policy.x] to b", true),
            ("from 1 to 2.", "from [withheld:policy.x] to [withheld:policy.y].", true),
            ("from 1 to 2.", "from [withheld:policy.x] at [withheld:policy.y].", false),
            ("other", "from [withheld:policy.x]", false),
            ("a", "b", false),
        ] {
            assert_eq!(is_less(before, after), less, "{before} / {after}");
        }
    }
}
