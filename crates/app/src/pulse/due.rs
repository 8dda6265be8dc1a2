//! What is due: a heartbeat of a ledger that was idle, a stream that fell silent, one that speaks again, a clock that
//! jumped.
//!
//! Pure: what the ledger shows, what is expected and the present moment go in, entries come out. It knows no file and
//! no clock, so days pass in a test in no time. Only moments in UTC are compared: zones and summer time are nowhere.
//!
//! **Times of receipt.** They never decrease from one entry to the next, but behind a `clock` entry. A step back of at
//! most a second, as when a leap second is inserted or a clock is set right, is held: the entry gets the time of the
//! one before. A larger one is an entry of its own, which has the time of the one before and says what the clock said;
//! what follows goes by the clock again, so that one wrong moment far ahead does not spoil the times of years.

use std::collections::BTreeMap;

use ascribe_model::{ClockStep, PulseEntry, Timestamp};

/// A step back up to this is held and not recorded: a second, for leap seconds and for clocks that are set right.
pub const STEP_HELD_NS: u64 = 1_000_000_000;

/// From this on, a step forward is as likely a clock that jumped as a ledger that nobody wrote to: thirty days.
pub const STEP_FAR_NS: u64 = 30 * 24 * 3_600 * 1_000_000_000;

/// An entry of the ledger, and when it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its leaf.
    pub leaf: u64,
    /// Its time of receipt.
    pub at: Timestamp,
}

/// The end of the ledger as far as time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// Time of receipt of the last entry.
    pub received_at: Timestamp,
    /// What the clock said then. It is another moment than the time of receipt where the entry says that the clock
    /// jumped; a small step that was held is not told apart, so that small steps add up to a jump.
    pub said: Timestamp,
}

/// What the ledger shows.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Its end; `None` where it is empty.
    pub last: Option<Last>,
    /// The last `clock` entry: its leaf, and what the clock said then.
    pub jump: Option<Receipt>,
    /// Streams that are expected to speak, by the leaf of their entry.
    pub streams: BTreeMap<u64, StreamHeard>,
}

/// What the ledger shows of one stream that is expected to speak.
#[derive(Clone, Copy, Debug)]
pub struct StreamHeard {
    /// How long it may be silent, in nanoseconds.
    pub after_ns: u64,
    /// Its last record.
    pub last: Receipt,
    /// That it is silent, where an entry says so and none that it speaks again.
    pub silence: Option<Silence>,
}

/// A silence that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Leaf of the entry that says so.
    pub leaf: u64,
    /// The last record before.
    pub last: Receipt,
    /// The first record behind it, where there is one.
    pub next: Option<Receipt>,
}

/// An entry that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Leaf of the stream's entry, where it is about one.
    pub stream: Option<u64>,
    /// Its time of receipt.
    pub received_at: Timestamp,
    /// What it says.
    pub entry: PulseEntry,
}

/// Keeps times of receipt in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receipts {
    last: Option<Last>,
}

impl Receipts {
    /// Goes on behind an entry.
    pub const fn after(last: Option<Last>) -> Self {
        Self { last }
    }

    /// The entry that says that the clock jumped, where it did since the last entry.
    pub fn jump(&mut self, now: Timestamp) -> Option<Due> {
        let last = self.last?;
        let step = match now.distance(last.said) {
            distance if now < last.said && distance > STEP_HELD_NS => ClockStep::Back,
            distance if now > last.said && distance >= STEP_FAR_NS => ClockStep::Far,
            _ => return None,
        };
        // It stands at the time of the entry before it: that one's word against this clock's.
        let received_at = last.received_at;
        self.last = Some(Last { received_at: now, said: now });
        let entry = PulseEntry::Clock { at: now, before: last.said, step };
        Some(Due { stream: None, received_at, entry })
    }

    /// The time of receipt of entries that came before the clock was asked, and so before anything could say that it
    /// jumped: never before the last entry, and never far behind it.
    pub fn hold(&mut self, now: Timestamp) -> Timestamp {
        let far = self.last.is_some_and(|last| now > last.said && now.distance(last.said) >= STEP_FAR_NS);
        let back = self.last.is_some_and(|last| now < last.said && now.distance(last.said) > STEP_HELD_NS);
        match self.last {
            Some(last) if far || back => last.said,
            _ => self.stamp(now),
        }
    }

    /// The time of receipt of an entry that is made now: what the clock says, held where it stepped back a little.
    pub fn stamp(&mut self, now: Timestamp) -> Timestamp {
        // Behind an entry that says that the clock jumped, it goes by what the clock said then.
        let received_at = self.last.map_or(now, |last| last.said.max(now));
        self.last = Some(Last { received_at, said: received_at });
        received_at
    }
}

/// Everything that is due, in the order in which it is appended.
pub fn due(heard: &Heard, heartbeat_ns: u64, now: Timestamp) -> Vec<Due> {
    let mut receipts = Receipts::after(heard.last);
    let mut entries: Vec<Due> = receipts.jump(now).into_iter().collect();
    // A jump that is recorded by this very run has no leaf yet that could be named: what it makes of silences is seen
    // by the next run, which finds it in the ledger.
    let jumped = !entries.is_empty();
    let mut silent = 0;
    for (&stream, one) in &heard.streams {
        let mut push = |entry| {
            entries.push(Due { stream: Some(stream), received_at: receipts.stamp(now), entry });
        };
        let mut open = one.silence.is_some();
        if let Some(Silence { leaf, last, next: Some(next) }) = one.silence {
            push(PulseEntry::Spoke {
                at: now,
                silent: leaf,
                from: last.at,
                last: last.leaf,
                until: next.at,
                first: next.leaf,
            });
            open = false;
        }
        if !open && !jumped && silent_for(one, heard.jump, now) >= one.after_ns {
            let jump = heard.jump.filter(|jump| jump.leaf > one.last.leaf).map(|jump| jump.leaf);
            push(PulseEntry::Silent {
                at: now,
                from: one.last.at,
                last: one.last.leaf,
                after_ns: one.after_ns,
                jump,
            });
            open = true;
        }
        silent += u64::from(open);
    }
    // Any entry shows that whoever writes is alive.
    let idle_ns = heard.last.map_or(u64::MAX, |last| since(last.said, now));
    if entries.is_empty() && idle_ns >= heartbeat_ns {
        let expected = heard.streams.len() as u64;
        let idle_ns = if heard.last.is_some() { idle_ns } else { 0 };
        let received_at = receipts.stamp(now);
        let entry = PulseEntry::Beat { at: now, idle_ns, expected, silent };
        entries.push(Due { stream: None, received_at, entry });
    }
    entries
}

/// How long nothing of a stream was received. Where the clock jumped since, what lies before the jump is not counted:
/// by a clock that jumped far ahead every stream would be silent, and by one that jumped back none.
fn silent_for(stream: &StreamHeard, jump: Option<Receipt>, now: Timestamp) -> u64 {
    let from = match jump {
        Some(jump) if jump.leaf > stream.last.leaf => jump.at,
        _ => stream.last.at,
    };
    since(from, now)
}

/// Time from one moment to a later one; none where it is not later.
fn since(from: Timestamp, now: Timestamp) -> u64 {
    if now > from { from.distance(now) } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const HOUR: i64 = 3_600 * SECOND;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;

    /// A ledger in a few numbers, in which what is due is appended.
    #[derive(Default)]
    struct Simulated {
        /// Stream, time of receipt, and what the clock said.
        entries: Vec<(Option<u64>, Timestamp, Timestamp, Option<PulseEntry>)>,
        receipts: Receipts,
        heartbeat_ns: u64,
        silent_after_ns: u64,
    }

    impl Simulated {
        fn new(heartbeat: i64, silent_after: i64) -> Self {
            let ns = |length: i64| u64::try_from(length).unwrap();
            Self { heartbeat_ns: ns(heartbeat), silent_after_ns: ns(silent_after), ..Self::default() }
        }

        /// A record of a stream comes in, as an ingest takes it.
        fn record(&mut self, stream: u64, now: Timestamp) {
            if let Some(jump) = self.receipts.jump(now) {
                self.entries.push((None, jump.received_at, now, Some(jump.entry)));
            }
            let received_at = self.receipts.stamp(now);
            self.entries.push((Some(stream), received_at, now, None));
        }

        fn heard(&self) -> Heard {
            let mut heard = Heard::default();
            for (leaf, (stream, received_at, said, pulse)) in (0_u64..).zip(&self.entries) {
                let jumped = matches!(pulse, Some(PulseEntry::Clock { .. }));
                let said = if jumped { *said } else { *received_at };
                heard.last = Some(Last { received_at: *received_at, said });
                match (pulse, stream) {
                    (Some(PulseEntry::Clock { at, .. }), _) => heard.jump = Some(Receipt { leaf, at: *at }),
                    (Some(PulseEntry::Silent { .. }), Some(stream)) => {
                        let one = heard.streams.get_mut(stream).unwrap();
                        one.silence = Some(Silence { leaf, last: one.last, next: None });
                    }
                    (Some(PulseEntry::Spoke { .. }), Some(stream)) => {
                        heard.streams.get_mut(stream).unwrap().silence = None;
                    }
                    (None, Some(stream)) => {
                        let receipt = Receipt { leaf, at: *received_at };
                        let new =
                            StreamHeard { after_ns: self.silent_after_ns, last: receipt, silence: None };
                        let one = heard.streams.entry(*stream).or_insert(new);
                        one.last = receipt;
                        if let Some(silence) = &mut one.silence {
                            silence.next = silence.next.or(Some(receipt));
                        }
                    }
                    _ => {}
                }
            }
            heard
        }

        /// One run of the pulse; what it appended.
        fn pulse(&mut self, now: Timestamp) -> Vec<PulseEntry> {
            let entries = due(&self.heard(), self.heartbeat_ns, now);
            for Due { stream, received_at, entry } in &entries {
                self.entries.push((*stream, *received_at, now, Some(entry.clone())));
            }
            self.receipts = Receipts::after(self.heard().last);
            entries.into_iter().map(|due| due.entry).collect()
        }

        /// The rule that every reader may rely on.
        fn assert_order(&self) {
            for pair in self.entries.windows(2) {
                let behind_jump = matches!(pair[0].3, Some(PulseEntry::Clock { .. }));
                assert!(pair[1].1 >= pair[0].1 || behind_jump, "{} < {}", pair[1].1, pair[0].1);
            }
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn names(entries: &[PulseEntry]) -> Vec<&'static str> {
        entries.iter().map(PulseEntry::name).collect()
    }

    #[test]
    fn ten_days_of_beats_silence_and_speech() {
        let mut ledger = Simulated::new(HOUR, 3 * HOUR);
        let start = at("2026-03-27T00:00:00Z"); // The clocks of Europe change two days later; nothing here does.
        let mut counted: BTreeMap<&str, u32> = BTreeMap::new();
        for minute in 0..10 * 24 * 60_i64 {
            let now = start.plus_nanoseconds(minute * 60 * SECOND);
            // Every half hour, but on the third and fourth day.
            if minute % 30 == 0 && !(2 * 1440..4 * 1440).contains(&minute) {
                ledger.record(7, now);
            }
            for name in names(&ledger.pulse(now)) {
                *counted.entry(name).or_default() += 1;
            }
        }
        // 23:30 was the last record; the silence is found three hours later; a beat an hour while nothing is written.
        assert_eq!(counted, BTreeMap::from([("beat", 47), ("silent", 1), ("spoke", 1)]));
        let spoke = ledger.entries.iter().find_map(|(_, _, _, entry)| match entry {
            Some(PulseEntry::Spoke { from, until, .. }) => Some((*from, *until)),
            _ => None,
        });
        assert_eq!(spoke, Some((at("2026-03-28T23:30:00Z"), at("2026-03-31T00:00:00Z"))));
        ledger.assert_order();
    }

    #[test]
    fn nothing_is_due_twice() {
        let mut ledger = Simulated::new(HOUR, 2 * HOUR);
        let start = at("2026-01-01T00:00:00Z");
        ledger.record(1, start);
        let later = start.plus_nanoseconds(2 * HOUR);
        assert_eq!(names(&ledger.pulse(later)), ["silent"]);
        assert_eq!(ledger.pulse(later), []);
        assert_eq!(ledger.pulse(later.plus_nanoseconds(HOUR - 1)), []);
        assert_eq!(names(&ledger.pulse(later.plus_nanoseconds(HOUR))), ["beat"]);
    }

    #[test]
    fn small_steps_back_add_up_to_a_jump() {
        let mut ledger = Simulated::new(HOUR, HOUR);
        let start = at("2026-01-01T00:00:00Z");
        for step in 0..4 {
            ledger.record(1, start.plus_nanoseconds(-step * 6 * SECOND / 10));
        }
        let jumps = ledger.entries.iter().filter(|(_, _, _, pulse)| pulse.is_some()).count();
        assert_eq!(jumps, 1, "0.6 s are held, 1.2 s are not");
        ledger.assert_order();
    }

    #[test]
    fn an_empty_ledger_has_a_first_beat() {
        let mut ledger = Simulated::new(HOUR, HOUR);
        let beat = ledger.pulse(at("2026-01-01T00:00:00Z"));
        assert!(matches!(beat[..], [PulseEntry::Beat { idle_ns: 0, .. }]));
    }

    #[test]
    fn a_leap_second_is_held_and_no_jump() {
        let mut ledger = Simulated::new(HOUR, HOUR);
        // The second before midnight comes twice.
        for now in ["2016-12-31T23:59:59.900Z", "2016-12-31T23:59:59.000Z", "2016-12-31T23:59:59.950Z"] {
            ledger.record(1, at(now));
        }
        assert!(ledger.entries.iter().all(|(_, _, _, pulse)| pulse.is_none()));
        assert_eq!(ledger.entries[1].1, at("2016-12-31T23:59:59.900Z"));
        ledger.assert_order();
    }

    /// The entry that says so has the time of the one before; those behind it go by the clock again.
    #[test]
    fn a_clock_that_jumps_back_is_recorded_once() {
        let mut ledger = Simulated::new(HOUR, HOUR);
        let (wrong, right) = (at("2036-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        ledger.record(1, wrong);
        assert_eq!(
            ledger.pulse(right),
            [PulseEntry::Clock { at: right, before: wrong, step: ClockStep::Back }]
        );
        assert_eq!(ledger.pulse(right.plus_nanoseconds(60 * SECOND)), []);
        ledger.record(1, right.plus_nanoseconds(120 * SECOND));
        let received: Vec<Timestamp> = ledger.entries.iter().map(|entry| entry.1).collect();
        assert_eq!(received, [wrong, wrong, right.plus_nanoseconds(120 * SECOND)]);
        ledger.assert_order();
    }

    #[test]
    fn a_clock_ten_years_ahead_makes_no_stream_silent_at_once() {
        let mut ledger = Simulated::new(HOUR, 2 * HOUR);
        let start = at("2026-01-01T00:00:00Z");
        ledger.record(1, start);
        let ahead = start.plus_nanoseconds(10 * YEAR);
        assert_eq!(names(&ledger.pulse(ahead)), ["clock"]);
        assert_eq!(names(&ledger.pulse(ahead.plus_nanoseconds(HOUR))), ["beat"]);
        let silent = ledger.pulse(ahead.plus_nanoseconds(2 * HOUR));
        assert!(matches!(silent[..], [PulseEntry::Silent { jump: Some(1), last: 0, .. }]), "{silent:?}");
        // And ten years back: the stream is silent still, and nothing more is due than that the clock jumped.
        assert_eq!(names(&ledger.pulse(start.plus_nanoseconds(DAY))), ["clock"]);
        ledger.assert_order();
    }

    #[test]
    fn a_stream_is_found_silent_although_its_last_record_is_ten_years_ahead() {
        let mut ledger = Simulated::new(HOUR, 2 * HOUR);
        let start = at("2026-01-01T00:00:00Z");
        ledger.record(1, start.plus_nanoseconds(10 * YEAR));
        assert_eq!(names(&ledger.pulse(start)), ["clock"]);
        assert_eq!(names(&ledger.pulse(start.plus_nanoseconds(2 * HOUR))), ["silent"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the clock does: times of receipt stay in order but behind an entry that says so, every jump that
        /// was made is an entry, and no other is.
        #[test]
        fn jumps_that_are_made_are_those_that_are_recorded(
            steps in proptest::collection::vec((0..4_u8, -12 * YEAR..12 * YEAR, any::<bool>()), 1..80),
        ) {
            let mut ledger = Simulated::new(HOUR, 3 * HOUR);
            let mut now = at("2026-06-01T00:00:00Z");
            let (mut made, mut recorded) = (0, 0);
            ledger.record(1, now);
            for (kind, far, by_record) in steps {
                let step = match kind {
                    0 => far,
                    1 => far.rem_euclid(SECOND) - SECOND,
                    _ => far.rem_euclid(2 * HOUR),
                };
                let said = ledger.heard().last.unwrap().said;
                now = now.plus_nanoseconds(step);
                let distance = now.distance(said);
                made += u32::from(if now < said { distance > STEP_HELD_NS } else { distance >= STEP_FAR_NS });
                let before = ledger.entries.len();
                if by_record { ledger.record(1, now) } else { ledger.pulse(now); }
                let new = &ledger.entries[before..];
                recorded += u32::try_from(
                    new.iter().filter(|entry| matches!(entry.3, Some(PulseEntry::Clock { .. }))).count()
                ).unwrap();
            }
            prop_assert_eq!(made, recorded);
            ledger.assert_order();
        }
    }
}
