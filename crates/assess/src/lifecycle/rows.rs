//! The rows of a credential's life, and the claims that its records make.

use std::sync::Arc;

use ascribe_model::{Basis, Claim, EffectKind, Event, LifecycleMark, LifecycleStep};

use super::ends::{Declared, Late, Standing};
use super::life::{Life, Mark, Means};
use crate::naming::identity_name;
use crate::verdict::premise;

/// Every step by time, undated ones last.
pub(super) fn steps(life: &Life, declared: Option<&Declared>, late: &[&Late]) -> Vec<LifecycleStep> {
    let mut steps: Vec<LifecycleStep> = life.marks.iter().filter_map(step_of).collect();
    let dated = || life.uses.iter().filter(|usage| usage.time.at.is_some());
    let first = dated().next();
    steps.extend(first.map(|usage| step(LifecycleMark::FirstUse, usage)));
    let last = dated().next_back().filter(|last| first.is_some_and(|first| first.id != last.id));
    steps.extend(last.map(|usage| step(LifecycleMark::LastUse, usage)));
    steps.extend(late.iter().map(|late| step(late_mark(late), &late.usage)));
    steps.extend(declared.map(declared_end));
    steps.sort_by_key(|step| (step.at.is_none(), step.at, step.mark, step.event));
    steps
}

/// What each record about the credential claims, less its issue, which the lineage claims.
pub(super) fn mark_claims(life: &Life, name: &str) -> Vec<Claim> {
    let told = life.marks.iter().filter(|mark| mark.effect.kind != EffectKind::Issue);
    told.filter_map(|mark| {
        let at = mark.event.time.at.map_or_else(|| "an unstated time".to_owned(), |at| at.to_string());
        let (operation, actor) = (&mark.event.api.operation, identity_name(&mark.event.actor));
        let selector = mark.effect.selector.as_deref().unwrap_or("everything of its holder");
        let set = if mark.means == Means::This { String::new() } else { format!(", with {selector}") };
        Some(Claim {
            statement: format!("{name} was {}{set}, at {at} by {actor} ({operation})", word(mark)?),
            premises: premises(mark),
            events: vec![mark.event.id],
            edges: Vec::new(),
        })
    })
    .collect()
}

/// How a sentence names an end.
pub(super) fn end_word(mark: &Mark) -> &'static str {
    word(mark).unwrap_or("ended")
}

/// What has to hold where a record names the holder by a name only.
pub(super) fn same_name(name: &str) -> String {
    format!("`{name}` named the same identity then as in the records of its use")
}

fn premises(mark: &Mark) -> Vec<ascribe_model::Premise> {
    let mut premises = vec![premise("the record says so", Basis::Rederivable)];
    match &mark.means {
        Means::This | Means::Set => {}
        Means::SetByName(name) => premises.push(premise(same_name(name), Basis::Asserted)),
        Means::PerhapsSet => {
            premises.push(premise("it was issued before the moment that is meant", Basis::Unmet));
        }
    }
    premises
}

fn step_of(mark: &Mark) -> Option<LifecycleStep> {
    let of_mark = match (mark.effect.kind, &mark.means) {
        (EffectKind::Issue, _) => LifecycleMark::Issued,
        (EffectKind::Renew, _) => LifecycleMark::Renewed,
        (EffectKind::Rotate, _) => LifecycleMark::Rotated,
        (EffectKind::Scope, _) => LifecycleMark::Scoped,
        (EffectKind::Enable, _) => LifecycleMark::Enabled,
        (EffectKind::Disable | EffectKind::Revoke, Means::PerhapsSet) => LifecycleMark::MayBeRevoked,
        (EffectKind::Disable, _) => LifecycleMark::Disabled,
        (EffectKind::Revoke, _) => LifecycleMark::Revoked,
        (EffectKind::Expire, _) => return None, // It declares an end, which has a row of its own.
    };
    Some(LifecycleStep {
        selector: mark.effect.selector.clone(),
        expires: mark.effect.expires,
        ..step(of_mark, &mark.event)
    })
}

fn step(mark: LifecycleMark, event: &Arc<Event>) -> LifecycleStep {
    LifecycleStep {
        mark,
        at: event.time.at,
        within_ns: event.time.precision_ns,
        event: Some(event.id),
        declared_by: None,
        stream: Some(event.source.to_string()),
        actor: Some(event.actor.clone()),
        operation: Some(event.api.operation.clone()),
        selector: None,
        expires: None,
    }
}

fn declared_end(declared: &Declared) -> LifecycleStep {
    LifecycleStep {
        mark: LifecycleMark::Expired,
        at: Some(declared.at),
        within_ns: declared.within_ns,
        event: None,
        declared_by: Some(declared.by.id),
        stream: None,
        actor: None,
        operation: Some(declared.by.api.operation.clone()),
        selector: None,
        expires: Some(declared.at),
    }
}

fn late_mark(late: &Late) -> LifecycleMark {
    match late.standing {
        Standing::After if late.is_accepted() => LifecycleMark::UseAfterEnd,
        Standing::After if late.is_refused() => LifecycleMark::RefusedAfterEnd,
        Standing::After => LifecycleMark::OpenAfterEnd,
        Standing::Within | Standing::Open => LifecycleMark::UseAtEnd,
    }
}

fn word(mark: &Mark) -> Option<&'static str> {
    Some(match mark.effect.kind {
        EffectKind::Renew => "renewed",
        EffectKind::Rotate => "replaced",
        EffectKind::Scope => "given another scope",
        EffectKind::Enable => "switched on again",
        EffectKind::Disable => "switched off",
        EffectKind::Revoke => "revoked",
        EffectKind::Issue | EffectKind::Expire => return None,
    })
}
