//! The report of a check, in plain sentences and as JSON. Every sentence says what was found, and the report says
//! what was not checked.

use std::error::Error;
use std::ops::Range;

use serde_json::{Value, json};

use crate::answer::AnswerCheck;
use crate::check::{Authority, Disclosed, Integrity, Report, Succeeded, Verdict, Witnesses, listed};
use crate::completeness::{CompleteRange, Completeness};

/// Names and claims that are shown one by one in the text; all are in the JSON.
const SHOWN: usize = 12;

/// Longest text that is shown of what somebody else wrote, in characters.
const TEXT_MAX: usize = 400;

/// The report as text for people.
pub fn text(report: &Report) -> String {
    let mut out = format!("{}\n", headline(report));
    out.push_str(&format!("\nINTEGRITY  {}\n", integrity(report)));
    out.push_str(&format!("\nAUTHORITY  {}\n", authority(report)));
    if let Some(sentence) = witnesses(report) {
        out.push_str(&format!("\nWITNESSES  {sentence}\n"));
    }
    out.push_str(&completeness_text(report));
    if let Some(answer) = &report.answer {
        out.push_str(&format!("\nANSWER     {}\n", answer_sentence(answer)));
        if let AnswerCheck::Same { statement, derived, asserted, open, .. } = answer {
            out.push_str(&format!("  {}\n", shown(statement)));
            out.push_str(&list("derived again", derived));
            out.push_str(&list("asserted, not verified", asserted));
            out.push_str(&list("left open by the answer", open));
        }
    }
    if !report.disclosed.is_empty() {
        out.push_str(
            "\nDISCLOSED  sealed before they were stored; each is the value that its record commits to\n",
        );
        for disclosed in report.disclosed.iter().take(SHOWN) {
            out.push_str(&format!(
                "  entry {}, {} ({}): {}\n",
                disclosed.leaf,
                shown(&disclosed.field),
                shown(&disclosed.rule),
                shown(&disclosed.value)
            ));
        }
        if report.disclosed.len() > SHOWN {
            out.push_str(&format!("  and {} more\n", report.disclosed.len() - SHOWN));
        }
    }
    let rows = rows(report);
    if !rows.is_empty() {
        out.push_str("\nCHECKED\n");
        for (name, value) in rows {
            out.push_str(&format!("  {name:<22}{value}\n"));
        }
    }
    out.push_str("\nNOT CHECKED\n");
    for sentence in not_checked(report) {
        out.push_str(&format!("  {sentence}\n"));
    }
    out
}

/// The report as JSON, `ascribe/bundle-check/v1`.
pub fn json(report: &Report) -> Value {
    let manifest = report.manifest.as_ref().map(|manifest| {
        json!({
            "origin": manifest.origin,
            "size": manifest.size,
            "question": manifest.question,
            "names": listed(&manifest.names),
            "answer": manifest.answer,
            "parsers": manifest.parsers.iter()
                .map(|parser| json!({ "source": parser.source, "version": parser.version }))
                .collect::<Vec<_>>(),
            "same_parsers": report.same_parsers,
        })
    });
    let counts = &report.counts;
    json!({
        "schema": "ascribe/bundle-check/v1",
        "verdict": word(report.verdict()),
        "integrity": {
            "is": match &report.integrity {
                Integrity::Valid => "valid",
                Integrity::Invalid(_) => "invalid",
                Integrity::Unknown => "unknown",
            },
            "says": integrity(report),
        },
        "authority": {
            "is": match &report.authority {
                Authority::Valid { .. } => "valid",
                Authority::Invalid(_) => "invalid",
                Authority::NotAsked { .. } => "not_asked",
                Authority::GivenUp { .. } => "given_up",
                Authority::Unknown => "unknown",
            },
            "says": authority(report),
            "retired_signatures": report.retired,
        },
        "witnesses": witnesses(report).map(|says| witnesses_json(report, &says)),
        "answer": report.answer.as_ref().map(answer_json),
        "completeness": report.completeness.as_ref().map(completeness_json),
        "disclosed": report.disclosed.iter().map(disclosed_json).collect::<Vec<_>>(),
        "manifest": manifest,
        "root": report.head.map(|head| head.root.to_string()),
        "grown_from": report.grown_from,
        "seal": report.seal.map(|seal| hex(&seal)),
        "counts": {
            "entries": counts.entries,
            "asked": counts.why.asked,
            "read": counts.why.read,
            "context": counts.why.context,
            "captured_bytes": counts.captured_bytes,
            "without_bytes": counts.without_bytes,
            "withheld": counts.withheld,
            "hashes": counts.hashes,
            "events": counts.events,
            "unread": counts.unread,
        },
        "not_checked": not_checked(report),
    })
}

fn disclosed_json(disclosed: &Disclosed) -> Value {
    json!({
        "leaf": disclosed.leaf,
        "event": disclosed.event,
        "field": disclosed.field,
        "rule": disclosed.rule,
        "value": disclosed.value,
    })
}

fn headline(report: &Report) -> &'static str {
    match report.verdict() {
        Verdict::Valid => "VALID  everything in this bundle holds, under a key that you named",
        Verdict::Invalid => "INVALID  this bundle must not be relied on",
        Verdict::Inconclusive => "INCONCLUSIVE  nothing is wrong, but something is not decided",
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Invalid => "invalid",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn integrity(report: &Report) -> String {
    match (&report.integrity, report.head) {
        (Integrity::Valid, Some(head)) => {
            let entries: u64 = report.counts.entries.values().sum();
            format!("valid: all {entries} entries are in the ledger of {} entries that was signed", head.size)
        }
        (Integrity::Valid | Integrity::Unknown, _) => "not decided".to_owned(),
        (Integrity::Invalid(refused), _) => format!("invalid: {}", with_causes(refused.as_ref())),
    }
}

fn authority(report: &Report) -> String {
    match &report.authority {
        Authority::Valid { key, succeeded: None } => {
            format!("valid: the checkpoint is signed by the key that you named, {key}")
        }
        Authority::Valid { key, succeeded: Some(Succeeded { named, leaf }) } => format!(
            "valid: the checkpoint is signed by the key {key}, which succeeded the key that you named, {named}, at entry \
             {leaf}"
        ),
        Authority::GivenUp { named, key, leaf } => format!(
            "not decided: the key that you named, {named}, leads to the key that signed, {key}, over one that was given up \
             at entry {leaf} because it may be in other hands. Whoever had it could name the next one: get the new key \
             from somebody you trust"
        ),
        Authority::Invalid(refused) => {
            format!("invalid: the key that you named did not sign this checkpoint: {}", with_causes(refused))
        }
        Authority::NotAsked { claimed } => format!(
            "not decided: the bundle claims the key {}. Anybody can claim a key: get the ledger's key from \
             somebody you trust, and name it with `--key`",
            shown(claimed)
        ),
        Authority::Unknown => "not decided: no checkpoint could be read".to_owned(),
    }
}

/// `None` where no policy was named.
fn witnesses(report: &Report) -> Option<String> {
    match &report.witnesses {
        Witnesses::NotAsked => None,
        Witnesses::Refused(refused) => Some(format!("invalid: {}", with_causes(refused))),
        Witnesses::Judged { signed, of, ledger_is_listed, met } => {
            let quorum = match (ledger_is_listed, met) {
                (false, _) => "the policy that you named does not list this ledger",
                (true, true) => "quorum met",
                (true, false) => "quorum not met",
            };
            let names: Vec<String> =
                signed.iter().map(|(name, at)| format!("{} at {at}", shown(name))).collect();
            let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
            Some(format!("witnessed: {} of {of}, {quorum}{names}", signed.len()))
        }
    }
}

fn witnesses_json(report: &Report, says: &str) -> Value {
    let (signed, of, met) = match &report.witnesses {
        Witnesses::Judged { signed, of, met, .. } => (signed.as_slice(), *of, *met),
        Witnesses::NotAsked | Witnesses::Refused(_) => (&[][..], 0, false),
    };
    let signed: Vec<Value> = signed.iter().map(|(name, at)| json!({ "name": name, "at": at })).collect();
    json!({ "met": met, "says": says, "signed": signed, "of": of })
}

fn answer_sentence(answer: &AnswerCheck) -> String {
    match answer {
        AnswerCheck::Same { verdict, .. } => {
            format!(
                "derived again: the same answer follows from the bundled records; its verdict is {verdict}"
            )
        }
        AnswerCheck::Differs { part } => {
            format!("differs: another {part} follows from the bundled records")
        }
        AnswerCheck::OtherParsers => {
            "not decided: it was drawn by other versions of the parsers, and these come to another answer"
                .to_owned()
        }
        AnswerCheck::TooLarge => {
            "not decided: it rests on more records than this program derives from".to_owned()
        }
        AnswerCheck::UnknownVerb => "not decided: this program does not know the question".to_owned(),
    }
}

fn answer_json(answer: &AnswerCheck) -> Value {
    let says = answer_sentence(answer);
    match answer {
        AnswerCheck::Same { verdict, statement, derived, asserted, open } => json!({
            "is": "same", "says": says, "verdict": verdict, "statement": statement,
            "derived": derived, "asserted": asserted, "open": open,
        }),
        AnswerCheck::Differs { .. } => json!({ "is": "differs", "says": says }),
        AnswerCheck::OtherParsers | AnswerCheck::TooLarge | AnswerCheck::UnknownVerb => {
            json!({ "is": "not_decided", "says": says })
        }
    }
}

fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(manifest) = &report.manifest {
        rows.push(("ledger", shown(&manifest.origin)));
        rows.push(("asked for", shown(&manifest.question)));
        let names = listed(&manifest.names);
        for (place, name) in names.iter().take(SHOWN).enumerate() {
            rows.push((if place == 0 { "taken to mean" } else { "" }, shown(name)));
        }
        if names.len() > SHOWN {
            rows.push(("", format!("and {} more", names.len() - SHOWN)));
        }
    }
    if let Some(head) = report.head {
        rows.push(("checkpoint", format!("{} entries, root {}", head.size, head.root)));
    }
    for key in &report.retired {
        rows.push(("counts for nothing", format!("the signature of {key}, which handed over before")));
    }
    for size in &report.grown_from {
        rows.push(("grown from", format!("the checkpoint over {size} entries")));
    }
    let counts = &report.counts;
    let kinds: Vec<String> = counts.entries.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !kinds.is_empty() {
        rows.push(("entries", kinds.join(", ")));
        rows.push(("captured bytes", counts.captured_bytes.to_string()));
        rows.push(("hashes", counts.hashes.to_string()));
        rows.push(("events derived again", counts.events.to_string()));
    }
    if counts.without_bytes > 0 {
        rows.push((
            "without their bytes",
            format!("{}: nothing is known of what they said", counts.without_bytes),
        ));
    }
    if counts.unread > 0 {
        rows.push(("unread", format!("{}: these parsers make nothing of them", counts.unread)));
    }
    if let Some(seal) = report.seal {
        rows.push(("seal", hex(&seal)));
    }
    rows
}

/// What nobody should think was checked.
fn not_checked(report: &Report) -> Vec<String> {
    let mut sentences = vec![
        whose_word(report),
        "Whether the records were true, and whether everything that happened was recorded.".to_owned(),
        "When the records came in: times of receipt are the ledger's own word.".to_owned(),
        "The question, and what it was taken to mean: they are not under the checkpoint.".to_owned(),
    ];
    if report.answer.is_some() {
        sentences.push(
            "Whether an entry that is not in the bundle, of these names or of others, would change the answer, and what it says of scope, streams and clocks."
                .to_owned(),
        );
    }
    if report.counts.withheld > 0 {
        let but = match report.disclosed.len() {
            0 => String::new(),
            1 => ", but for the value disclosed".to_owned(),
            several => format!(", but for the {several} values disclosed"),
        };
        sentences.push(format!(
            "What was withheld from {} records before they were stored: a bundle holds nothing of it{but}.",
            report.counts.withheld
        ));
    }
    if matches!(report.witnesses, Witnesses::NotAsked) {
        sentences.push(
            "Whether anybody else saw this ledger, or it shows others another tree: `--policy` names the witnesses that you believe."
                .to_owned(),
        );
    }
    if !matches!(report.authority, Authority::Valid { .. }) {
        sentences.push("Whether the key that the bundle claims is the ledger's.".to_owned());
    }
    sentences
}

/// On whose word it rests that no entry is missing.
fn whose_word(report: &Report) -> String {
    match &report.completeness {
        None => {
            "Whether these are all entries of the ledger that list the names: that is the exporter's word."
                .to_owned()
        }
        Some(shown) if shown.open.is_empty() => {
            "Whether whoever sealed the ranges parsed every entry rightly: `ascribe ledger prove --recompute` \
             parses them again."
                .to_owned()
        }
        Some(_) => "Whether entries outside of the sealed ranges list the names, which is the exporter's word, and \
                    whether whoever sealed the ranges parsed every entry rightly."
            .to_owned(),
    }
}

/// Neighbouring ranges with the same parsers, as one.
fn spans(found: &Completeness) -> Vec<(Range<u64>, &CompleteRange)> {
    let mut spans: Vec<(Range<u64>, &CompleteRange)> = Vec::new();
    for range in &found.ranges {
        match spans.last_mut() {
            Some((span, before)) if span.end == range.leaves.start && before.parsers == range.parsers => {
                span.end = range.leaves.end;
            }
            _ => spans.push((range.leaves.clone(), range)),
        }
    }
    spans
}

fn completeness_text(report: &Report) -> String {
    let Some(found) = &report.completeness else {
        let is_read = matches!(report.integrity, Integrity::Valid);
        let none = "\nCOMPLETENESS  nothing shows it: the bundle holds no index of the ledger\n";
        return if is_read { none.to_owned() } else { String::new() };
    };
    let mut out =
        String::from("\nCOMPLETENESS  shown for the sealed ranges, by the parsing of whoever sealed them\n");
    let all =
        if report.counts.why.asked == 0 { "no entry lists the names" } else { "all entries of these names" };
    for (span, range) in spans(found).iter().take(SHOWN) {
        let parsers = range.parsers.iter().map(|(source, version)| format!("{source} {version}"));
        out.push_str(&format!(
            "  entries {} to {}: {all} (parsers {})\n",
            span.start,
            span.end,
            shown(&parsers.collect::<Vec<_>>().join(", "))
        ));
    }
    if spans(found).len() > SHOWN {
        out.push_str(&format!("  and {} more spans\n", spans(found).len() - SHOWN));
    }
    for span in found.open.iter().take(SHOWN) {
        out.push_str(&format!(
            "  entries {} to {}: not sealed, so more may be there\n",
            span.start, span.end
        ));
    }
    if found.open.len() > SHOWN {
        out.push_str(&format!("  and {} more spans that are not sealed\n", found.open.len() - SHOWN));
    }
    let unknown = |place: usize| -> u64 { found.ranges.iter().map(|range| range.unknown[place]).sum() };
    let (unread, erased, rejects) = (unknown(0), unknown(1), unknown(2));
    if unread + erased + rejects > 0 {
        out.push_str(&format!(
            "  outside of it: {rejects} rejects, {unread} unread and {erased} erased records, of which nobody can say \
             what they name\n"
        ));
    }
    for range in &found.ranges {
        for value in range.undetermined.iter().take(SHOWN) {
            out.push_str(&format!(
                "  entries {} to {}: `{}` cannot be determined, because a neighbouring row was erased\n",
                range.leaves.start,
                range.leaves.end,
                shown(value)
            ));
        }
        if range.disagreeing > 0 {
            out.push_str(&format!(
                "  entries {} to {}: in {} of the bundled records this program's parsers, of other versions, find \
                 otherwise\n",
                range.leaves.start, range.leaves.end, range.disagreeing
            ));
        }
    }
    out
}

fn completeness_json(found: &Completeness) -> Value {
    let span = |span: &Range<u64>| json!({ "from": span.start, "to": span.end });
    json!({
        "ranges": found.ranges.iter().map(|range| json!({
            "from": range.leaves.start,
            "to": range.leaves.end,
            "parsers": range.parsers,
            "same_parsers": range.same_parsers,
            "unread": range.unknown[0],
            "erased": range.unknown[1],
            "rejects": range.unknown[2],
            "undetermined": range.undetermined,
            "disagreeing": range.disagreeing,
        })).collect::<Vec<_>>(),
        "open": found.open.iter().map(span).collect::<Vec<_>>(),
    })
}

fn list(title: &str, claims: &[String]) -> String {
    let mut out = String::new();
    for claim in claims.iter().take(SHOWN) {
        out.push_str(&format!("  [{title}] {}\n", shown(claim)));
    }
    if claims.len() > SHOWN {
        out.push_str(&format!("  [{title}] and {} more\n", claims.len() - SHOWN));
    }
    out
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    shown(&text)
}

/// Text that cannot steer a terminal: what is neither printable nor a line feed is shown as an escape.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\n' | '"' | '\'' | '\\') || character.escape_debug().len() == 1 {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// What somebody else wrote: harmless, on one line, and bounded.
fn shown(text: &str) -> String {
    let mut shown = harmless(&text.chars().take(TEXT_MAX).collect::<String>()).replace('\n', "\\n");
    if text.chars().count() > TEXT_MAX {
        shown.push('…');
    }
    shown
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_shown_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[31m\u{202e}\u{7f}"), "a\\u{1b}[31m\\u{202e}\\u{7f}");
        assert_eq!(harmless("Zoë \"→\" 東京\n"), "Zoë \"→\" 東京\n");
        assert_eq!(shown("one\ntwo"), "one\\ntwo");
        assert_eq!(shown(&"x".repeat(TEXT_MAX + 1)).chars().count(), TEXT_MAX + 1);
    }
}
