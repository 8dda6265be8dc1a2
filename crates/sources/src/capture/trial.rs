//! Which of the values that a policy withholds reading can do without: the record is read again without them.
//!
//! A list made from the sources' fixtures answers most of it beforehand; this answers all of it, for any record. It does
//! not know why a value is needed.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ascribe_model::Event;

use super::Need;
use super::cut::{Cut, splice};
use super::same::same_less_withheld;
use crate::read::{ReadRecord, Said, said_in};
use crate::source::Context;

/// How often one record is read again at most. Values of which it is not known by then stay.
const READINGS_MAX: usize = 64;

/// A record, and what a policy would withhold from it.
pub(super) struct Trial<'a> {
    pub record: &'a ReadRecord<'a>,
    pub context: &'a Context<'a>,
    pub cuts: &'a [Cut],
}

/// What came of it.
pub(super) struct Tried {
    /// For each cut, whether its value stays.
    pub stays: Vec<bool>,
    /// The record without the others, and what it says; `None` where nothing is withheld.
    pub captured: Option<(Vec<u8>, Vec<Event>)>,
}

/// What reading loses without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Nothing but the value itself, where people would have read it.
    Nothing,
    /// The event means something else, or can be read no more.
    Meaning,
    /// It has other keys, so joins are lost or false.
    Keys,
}

impl Trial<'_> {
    /// Withholds as much as reading can do without.
    pub fn run(&self) -> Tried {
        // All of it is tried at once, which mostly settles it; then what no list knows of, apart from the rest.
        let known = |need: Option<Need>| (0..self.cuts.len()).filter(move |cut| self.cuts[*cut].need == need);
        let wanted: Vec<usize> = known(None).chain(known(Some(Need::Some))).collect();
        let first = known(None).count();
        let mut tried = Tried { stays: vec![true; self.cuts.len()], captured: None };
        let mut readings = 0;
        let mut open: Vec<Range<usize>> = Vec::new();
        open.extend((!wanted.is_empty()).then_some(0..wanted.len()));
        while let Some(range) = open.pop() {
            let mut stays = tried.stays.clone();
            wanted[range.clone()].iter().for_each(|cut| stays[*cut] = false);
            readings += 1;
            if let Some(captured) = self.without(&stays) {
                tried = Tried { stays, captured: Some(captured) };
            } else if range.len() > 1 {
                let listed = (range.start < first && first < range.end).then_some(first);
                let middle = listed.unwrap_or(range.start + range.len() / 2);
                open.extend([middle..range.end, range.start..middle]);
            }
            if readings == READINGS_MAX {
                break;
            }
        }
        tried
    }

    /// For each cut, what reading loses without its value alone.
    pub fn loss_of_each(&self) -> Vec<Loss> {
        let each = (0..self.cuts.len())
            .map(|cut| (0..self.cuts.len()).map(|other| other != cut).collect::<Vec<_>>());
        each.map(|stays| self.loss(&splice(&self.record.captured, self.cuts, &stays))).collect()
    }

    fn loss(&self, captured: &[u8]) -> Loss {
        let Some(said) = self.said(captured) else { return Loss::Meaning };
        let keys = |events: &[Event]| events.iter().map(|event| event.keys.clone()).collect::<Vec<_>>();
        if keys(&self.record.events) != keys(&said.events) {
            Loss::Keys
        } else if self.is_same(&said) {
            Loss::Nothing
        } else {
            Loss::Meaning
        }
    }

    /// The record without the values that do not stay, if it then says the same.
    fn without(&self, stays: &[bool]) -> Option<(Vec<u8>, Vec<Event>)> {
        let captured = splice(&self.record.captured, self.cuts, stays);
        let said = self.said(&captured).filter(|said| self.is_same(said))?;
        Some((captured, said.events))
    }

    /// What the record says without values. A parser that panics on what is left needs what is not.
    fn said(&self, captured: &[u8]) -> Option<Said> {
        let said = catch_unwind(AssertUnwindSafe(|| said_in(self.record.source, captured, self.context)));
        said.ok()?.ok()
    }

    fn is_same(&self, said: &Said) -> bool {
        said.unread.len() == self.record.unread.len() && same_less_withheld(&self.record.events, &said.events)
    }
}
