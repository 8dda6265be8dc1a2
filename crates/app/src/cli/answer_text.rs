//! An answer as text for people, and as rows.
//!
//! Every surface shows the same value: nothing here is computed that the answer does not hold.

use std::collections::BTreeSet;

use ascribe_assess::length;
use ascribe_model::{
    AddressUse, Answer, Asserted, Authority, AuthorityBasis, Basis, ChainHop, Claim, Details, Edge, Effect,
    Holder, Node, ProofSide, RedactionsDetail, Role, Scope, ShowDetail, SourcesDetail, StreamPulse, TimeSpan,
    TimeStanding, Verdict, WhoDetail, WitnessStanding,
};

use super::escape::{brief, line, terminal};
use super::rows::{Rows, aligned, joined, word};
use super::{Asked, Output, csv, identity_text, lifecycle_text, session_text, timeline_text, why_text};

/// The answer in the form that was asked for.
pub fn render(asked: &Asked<'_>, answer: &Answer) -> Result<String, serde_json::Error> {
    Ok(match asked.output {
        Output::Table => text(answer),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&Beside::of(asked, answer))?),
        Output::Jsonl => format!("{}\n", serde_json::to_string(&Beside::of(asked, answer))?),
        Output::Csv => {
            let rows = rows_of(&answer.body.details, &answer.body.edges);
            csv::table(&rows.header, &rows.rows)
        }
    })
}

/// An answer with what stands beside it.
#[derive(serde::Serialize)]
struct Beside<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    /// That the access could not be recorded; absent where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<bool>,
}

impl<'a> Beside<'a> {
    fn of(asked: &Asked<'_>, answer: &'a Answer) -> Self {
        Self { answer, recorded: asked.unrecorded.then_some(false) }
    }
}

fn text(answer: &Answer) -> String {
    let body = &answer.body;
    let grade = body.grade.map_or_else(String::new, |grade| format!("  (weakest join: grade {grade})"));
    let mut out =
        format!("{}{grade}\n  {}\n", body.verdict.word().to_uppercase(), brief(&body.statement, 2_000));
    match &body.verdict {
        Verdict::Proven => {}
        Verdict::Bounded { bound } => out.push_str(&format!("  bound: {}\n", brief(bound, 500))),
        Verdict::Undecided { decided_by } => {
            for settles in decided_by {
                out.push_str(&format!("  would be decided by: {}\n", brief(settles, 500)));
            }
        }
        Verdict::Contradicted { by } => out.push_str(&format!("  contradicted: {}\n", brief(by, 500))),
    }
    out.push_str(&details_text(&body.details, &body.edges));
    if !answer.proof.streams.is_empty() {
        out.push_str(&format!("\nLAST HEARD OF\n{}", aligned(&pulse_rows(&answer.proof.streams))));
    }
    if let Some(asserted) = &answer.asserted {
        out.push_str(&asserted_text(asserted));
    }
    out.push_str(&candidates_text(&body.edges));
    out.push_str(&claims_text(&body.claims));
    if !body.gaps.is_empty() {
        out.push_str("\nMISSING\n");
        for gap in &body.gaps {
            out.push_str(&format!(
                "  {}\n      settled by: {}\n",
                brief(&gap.missing, 400),
                brief(&gap.settled_by, 400)
            ));
        }
    }
    out.push_str(&scope_text(&body.scope, answer.proof.size));
    out.push_str(&proof_text(&answer.proof));
    out
}

/// What vouches for the entries that the answer cites.
fn proof_text(proof: &ProofSide) -> String {
    let leaves: BTreeSet<u64> = proof.evidence.iter().map(|found| found.leaf).collect();
    if leaves.is_empty() {
        return String::new();
    }
    let entries = |count: usize| if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") };
    let last = |size: u64| size.saturating_sub(1);
    let witnesses = match &proof.witnesses {
        WitnessStanding::NotConfigured => "not witnessed (no policy is configured)".to_owned(),
        WitnessStanding::NotYet => "not witnessed yet".to_owned(),
        WitnessStanding::Unknown { why } => format!("witnesses not known ({})", brief(why, 200)),
        WitnessStanding::UpTo { size } => {
            let covered = leaves.iter().filter(|leaf| proof.witnesses.covers(**leaf)).count();
            format!("{covered} witnessed (the policy is met up to entry {})", last(*size))
        }
    };
    let time = match &proof.time {
        TimeStanding::NotConfigured => "not timestamped (no authority is configured)".to_owned(),
        TimeStanding::NotYet => "not timestamped yet".to_owned(),
        TimeStanding::Unknown { why } => format!("timestamps not known ({})", brief(why, 200)),
        TimeStanding::UpTo { size, at, by } => {
            let covered = leaves.iter().filter(|leaf| proof.time.covers(**leaf)).count();
            format!("{covered} timestamped (up to entry {}, at {at} by {})", last(*size), brief(by, 100))
        }
    };
    format!("PROOF  {} committed; {witnesses}; {time}\n", entries(leaves.len()))
}

/// What the operator asserts, and that it is nothing more than that.
fn asserted_text(asserted: &Asserted) -> String {
    let text = |cell: Option<&String>| cell.cloned().unwrap_or_default();
    let identities = asserted.identities.iter().map(|says| {
        vec![
            says.identity.to_string(),
            text(says.owner.as_ref()),
            text(says.environment.as_ref()),
            text(says.criticality.as_ref()),
            String::new(),
        ]
    });
    let networks = asserted.networks.iter().map(|says| {
        vec![says.address.clone(), String::new(), String::new(), String::new(), says.name.clone()]
    });
    let header = vec!["of", "owner", "environment", "criticality", "network"];
    let table = aligned(&Rows { header, rows: identities.chain(networks).collect() });
    let recorded =
        if asserted.recorded { "" } else { "; not in the ledger: it changed since the last ingest" };
    format!(
        "\nASSERTED BY THE OPERATOR, shown by no record (version {}{recorded})\n{table}",
        asserted.version
    )
}

/// The candidates of joins that are not unique.
fn candidates_text(edges: &[Edge]) -> String {
    let mut out = String::new();
    for edge in edges.iter().filter(|edge| !edge.alternatives.is_empty()) {
        out.push_str(&format!("\nCANDIDATES for {} ({})\n", brief(&node_cell(&edge.to), 200), edge.rule));
        for candidate in &edge.alternatives {
            out.push_str(&format!("  {}\n", brief(&candidate.to_string(), 200)));
        }
    }
    out
}

/// What is claimed. A claim whose premises anybody can derive again takes one line; others say what they rest on.
fn claims_text(claims: &[Claim]) -> String {
    let mut out = String::from("\nCLAIMS\n");
    for claim in claims {
        let weakest = claim.premises.iter().map(|premise| premise.basis).max().unwrap_or(Basis::Unmet);
        let cited = match claim.events.as_slice() {
            [] => String::new(),
            [one] => format!("  (event {}…)", &one.to_string()[..12]),
            several => {
                format!("  (events {}… and {} more)", &several[0].to_string()[..12], several.len() - 1)
            }
        };
        out.push_str(&format!("  [{}] {}{cited}\n", basis_words(weakest), brief(&claim.statement, 400)));
        if weakest > Basis::ProvenByIndex {
            for premise in &claim.premises {
                out.push_str(&format!(
                    "      needs: {} [{}]\n",
                    brief(&premise.statement, 300),
                    basis_words(premise.basis)
                ));
            }
        }
    }
    if claims.is_empty() { String::new() } else { out }
}

fn details_text(details: &Details, edges: &[Edge]) -> String {
    let table = aligned(&rows_of(details, edges));
    match details {
        Details::Nothing { suggestions } if suggestions.is_empty() => String::new(),
        Details::Nothing { .. } => format!("\nNAMES THAT COME CLOSE\n{table}"),
        Details::Who(who) => {
            let table = format!("{table}{}", addresses_text(&who.addresses));
            let origin = if who.origin.is_empty() {
                String::new()
            } else {
                format!("\nORIGIN\n{}", aligned(&hop_rows(&who.origin, edges)))
            };
            let names = identity_text::text(&who.identities);
            format!("\nHOLDERS (attribution: {})\n{table}{origin}{names}", who.attribution)
        }
        Details::Why(why) => why_text::text(why),
        Details::Session(session) => session_text::text(session),
        Details::Timeline(timeline) => timeline_text::text(timeline),
        Details::Lifecycle(life) => lifecycle_text::text(life),
        Details::Chain(chain) if chain.hops.is_empty() => String::new(),
        Details::Chain(chain) => format!("\nHOPS {}\n{table}", chain.direction.to_uppercase()),
        Details::Show(show) => show_text(show),
        Details::Sources(sources) => sources_text(sources, &table),
        Details::Redactions(redactions) if redactions.rules.is_empty() => String::new(),
        Details::Redactions(_) => format!("\nWITHHELD\n{table}"),
    }
}

fn addresses_text(addresses: &[AddressUse]) -> String {
    if addresses.is_empty() {
        return String::new();
    }
    let row = |usage: &AddressUse| {
        vec![
            usage.address.clone(),
            usage.events.to_string(),
            span_cell(usage.span, true),
            span_cell(usage.span, false),
        ]
    };
    let rows = addresses.iter().map(row).collect();
    let table = aligned(&Rows { header: vec!["address", "events", "first (UTC)", "last (UTC)"], rows });
    format!("\nUSED FROM (where, not who)\n{table}")
}

fn rows_of(details: &Details, edges: &[Edge]) -> Rows {
    match details {
        Details::Nothing { suggestions } => Rows {
            header: vec!["name"],
            rows: suggestions.iter().map(|name| vec![name.to_string()]).collect(),
        },
        Details::Who(who) => holder_rows(who),
        Details::Chain(chain) => hop_rows(&chain.hops, edges),
        Details::Why(why) => why_text::rows(why),
        Details::Session(session) => session_text::rows(session),
        Details::Timeline(timeline) => timeline_text::rows(timeline),
        Details::Lifecycle(life) => lifecycle_text::rows(life),
        Details::Show(show) => event_rows(show),
        Details::Sources(sources) => stream_rows(sources),
        Details::Redactions(redactions) => withheld_rows(redactions),
    }
}

fn holder_rows(who: &WhoDetail) -> Rows {
    let row = |holder: &Holder| {
        let identity = &holder.identity;
        vec![
            holder.binding.clone(),
            identity.kind.name().to_owned(),
            identity.label().to_owned(),
            identity.session_name.clone().unwrap_or_default(),
            identity.uid.to_string(),
            holder.events.to_string(),
            span_cell(holder.span, true),
            span_cell(holder.span, false),
        ]
    };
    Rows {
        header: vec!["binding", "kind", "identity", "session name", "uid", "events", "first", "last"],
        rows: who.holders.iter().map(row).collect(),
    }
}

fn hop_rows(hops: &[ChainHop], edges: &[Edge]) -> Rows {
    let row = |hop: &ChainHop| {
        let edge = edges.get(hop.edge);
        let cell = |of: fn(&Edge) -> String| edge.map_or_else(String::new, of);
        vec![
            hop.depth.to_string(),
            cell(|edge| node_cell(&edge.from)),
            cell(|edge| edge_words(edge).to_owned()),
            cell(|edge| node_cell(&edge.to)),
            cell(|edge| format!("{} {}", edge.rule, edge.grade)),
            hop.at.map_or_else(String::new, |at| at.to_string()),
            hop.operation.clone().unwrap_or_default(),
            if hop.uses == 0 { String::new() } else { hop.uses.to_string() },
            hop.expires.map_or_else(String::new, |expires| expires.to_string()),
        ]
    };
    Rows {
        header: vec![
            "hop",
            "from",
            "",
            "to",
            "join",
            "time (UTC)",
            "operation",
            "use records",
            "expires (UTC)",
        ],
        rows: hops.iter().map(row).collect(),
    }
}

const fn edge_words(edge: &Edge) -> &'static str {
    use ascribe_model::EdgeKind;
    match edge.kind {
        EdgeKind::Issued => "issued",
        EdgeKind::UsedAs => "was used as",
        EdgeKind::Presented => "was presented as",
        EdgeKind::OnBehalfOf => "acted as",
        EdgeKind::BoundTo => "owns",
        EdgeKind::SameRequest => "same request as",
        EdgeKind::Ended => "ended",
    }
}

/// A node in few characters; the JSON has its kind and scope.
fn node_cell(node: &Node) -> String {
    match node {
        Node::Credential(credential) => credential.uid.value.clone(),
        Node::Identity(identity) => format!("{} {}", identity.kind.name(), identity.label()),
        Node::Unresolved { .. } => "?".to_owned(),
    }
}

fn event_rows(show: &ShowDetail) -> Rows {
    let event = &show.event;
    let outcome = &event.outcome;
    let mut rows = Fields::default();
    rows.add("event", event.id.to_string());
    rows.add("time (UTC)", event.time.at.map_or_else(|| "not stated".to_owned(), |at| at.to_string()));
    let source = &event.source;
    rows.add(
        "source",
        joined([Some(source.kind.clone()), Some(source.scope.clone()), source.partition.clone()]),
    );
    rows.add("operation", format!("{} ({})", event.api.operation, event.api.service));
    rows.add("verb", word(&event.verb));
    rows.add(
        "outcome",
        joined([Some(word(&outcome.status)), outcome.status_code.clone(), outcome.status_detail.clone()]),
    );
    rows.add("actor", format!("{} {} [{}]", event.actor.kind.name(), event.actor.label(), event.actor.uid));
    for identity in &event.on_behalf_of {
        rows.add("acting as", format!("{} {}", identity.kind.name(), identity.label()));
    }
    if let Some(credential) = &event.credential {
        rows.add("credential", credential.uid.to_string());
    }
    for key in event
        .keys
        .iter()
        .filter(|key| key.role == Role::Presented && ascribe_assess::is_credential(&key.kind))
    {
        rows.add("presented", key.to_ref().to_string());
    }
    event.effects.iter().for_each(|effect| rows.add("effect", effect_cell(effect)));
    event.authorities.iter().for_each(|authority| rows.add("authority", authority_cell(authority)));
    for resource in &event.resources {
        rows.add("resource", format!("{} {}", resource.kind, resource.uid));
    }
    for address in &event.src_endpoint.addresses {
        let seen = if address.observed { "observed" } else { "stated by the caller" };
        rows.add("address", format!("{} ({seen})", address.ip));
    }
    if let Some(agent) = &event.src_endpoint.user_agent {
        rows.add("user agent", format!("{agent} (stated by the caller)"));
    }
    for hint in &event.coverage_hints {
        rows.add("coverage", format!("{}: {}", hint.kind, hint.note));
    }
    for withheld in &show.withheld {
        rows.add("withheld", format!("{} at byte {} of the record", withheld.rule, withheld.offset));
    }
    rows.add("deliveries", show.sightings.to_string());
    Rows { header: vec!["field", "value"], rows: rows.0 }
}

/// Names and values, one below the other.
#[derive(Default)]
struct Fields(Vec<Vec<String>>);

impl Fields {
    fn add(&mut self, name: &str, value: String) {
        self.0.push(vec![name.to_owned(), value]);
    }
}

fn effect_cell(effect: &Effect) -> String {
    let of = effect.credential.as_ref().map(|credential| credential.uid.to_string());
    let speaks_for =
        effect.subject.as_ref().map(|subject| format!("as {} {}", subject.kind.name(), subject.label()));
    let until = effect.expires.map(|expires| format!("until {expires}"));
    let length = effect.ttl_seconds.map(|seconds| format!("for {seconds} s"));
    joined([Some(word(&effect.kind)), of.or_else(|| effect.selector.clone()), speaks_for, until.or(length)])
}

fn authority_cell(authority: &Authority) -> String {
    if authority.basis == AuthorityBasis::Absent {
        return format!("{}; the source does not record why", word(&authority.decision));
    }
    let uid = Some(authority.uid.clone()).filter(|uid| !uid.is_empty());
    let basis = format!("({})", word(&authority.basis));
    joined([
        Some(word(&authority.decision)),
        Some(word(&authority.kind)),
        uid,
        authority.detail.clone(),
        Some(basis),
    ])
}

fn show_text(show: &ShowDetail) -> String {
    let rows = event_rows(show);
    let mut out = String::from("\nEVENT\n");
    for row in &rows.rows {
        out.push_str(&format!("  {:<14}{}\n", row[0], line(&row[1], 400)));
    }
    out.push_str(&format!("\nRECORD AS CAPTURED\n{}\n", terminal(&show.record)));
    out
}

fn stream_rows(sources: &SourcesDetail) -> Rows {
    let rows = sources.streams.iter().map(|stream| {
        vec![
            stream.source.clone(),
            stream.scope.clone(),
            stream.partition.clone().unwrap_or_default(),
            stream.events.to_string(),
            stream.duplicates.to_string(),
            stream.undated.to_string(),
            stream.first.map_or_else(String::new, |first| first.to_string()),
            stream.last.map_or_else(String::new, |last| last.to_string()),
            stream.coverage.clone(),
        ]
    });
    Rows {
        header: vec![
            "source",
            "scope",
            "partition",
            "events",
            "duplicates",
            "undated",
            "first (UTC)",
            "last (UTC)",
            "coverage",
        ],
        rows: rows.collect(),
    }
}

/// When streams were last heard of. What the columns say is by time of receipt, not by what records state.
fn pulse_rows(pulses: &[StreamPulse]) -> Rows {
    let rows = pulses.iter().map(|pulse| {
        vec![
            pulse.stream.clone(),
            pulse.last_received.to_string(),
            pulse
                .silent_after_ns
                .map_or_else(|| "not expected".to_owned(), |after| format!("every {}", length(after))),
            pulse.silent_since.map_or_else(String::new, |since| since.to_string()),
            if pulse.silences == 0 { String::new() } else { pulse.silences.to_string() },
            pulse.coverage.clone(),
        ]
    });
    let header = vec![
        "stream",
        "last received (UTC)",
        "expected",
        "silent since (UTC)",
        "earlier silences",
        "by signs of life",
    ];
    Rows { header, rows: rows.collect() }
}

fn withheld_rows(redactions: &RedactionsDetail) -> Rows {
    let rows = redactions.rules.iter().map(|row| {
        let examples: Vec<String> = row.examples.iter().map(ToString::to_string).collect();
        vec![
            row.rule.clone(),
            if row.source.is_empty() { "(rejects)".to_owned() } else { row.source.clone() },
            row.method.clone(),
            row.policy.clone().unwrap_or_default(),
            row.values.to_string(),
            row.entries.to_string(),
            row.first.map_or_else(String::new, |first| first.to_string()),
            row.last.map_or_else(String::new, |last| last.to_string()),
            examples.join(" "),
        ]
    });
    Rows {
        header: vec![
            "rule",
            "source",
            "method",
            "policy",
            "values",
            "entries",
            "first (UTC)",
            "last (UTC)",
            "examples",
        ],
        rows: rows.collect(),
    }
}

fn sources_text(sources: &SourcesDetail, streams: &str) -> String {
    let mut out = format!("\nSTREAMS\n{streams}");
    if !sources.rejects.is_empty() {
        let rows = sources
            .rejects
            .iter()
            .map(|reject| vec![reject.reason.clone(), reject.count.to_string()])
            .collect();
        out.push_str(&format!("\nREJECTS\n{}", aligned(&Rows { header: vec!["reason", "count"], rows })));
    }
    let unfinished = match sources.objects_unfinished {
        0 => String::new(),
        count => format!("; {count} not read to their end: ingest them again to go on"),
    };
    out.push_str(&format!("\n{} objects{unfinished}\n", sources.objects));
    out
}

fn scope_text(scope: &Scope, size: u64) -> String {
    let span = scope.span.map_or_else(String::new, |span| format!(", {} to {}", span.first, span.last));
    let mut out = format!("\nSCOPE  {} events in {} streams{span}", scope.events, scope.streams.len());
    if scope.undated > 0 {
        out.push_str(&format!("; {} without a time", scope.undated));
    }
    if scope.rejects > 0 {
        out.push_str(&format!("; {} rejects", scope.rejects));
    }
    out.push_str(&format!("; signed checkpoint over {size} entries\n"));
    out
}

const fn basis_words(basis: Basis) -> &'static str {
    match basis {
        Basis::Rederivable => "re-derivable",
        Basis::ProvenByIndex => "proven by index",
        Basis::Asserted => "asserted",
        Basis::Unmet => "unmet",
    }
}

fn span_cell(span: Option<TimeSpan>, first: bool) -> String {
    span.map_or_else(String::new, |span| if first { span.first } else { span.last }.to_string())
}

#[cfg(test)]
mod tests {
    use ascribe_model::{EntryState, EventId, EvidenceRef, Timestamp};

    use super::*;

    #[test]
    fn one_line_says_what_vouches_for_the_cited_entries() {
        let found = |leaf| EvidenceRef {
            event: EventId([leaf as u8; 32]),
            leaf,
            state: EntryState::Committed,
            envelope: None,
            proof: None,
        };
        let mut proof = ProofSide { evidence: [3, 7, 7, 9].map(found).to_vec(), ..ProofSide::default() };
        assert_eq!(
            proof_text(&proof),
            "PROOF  3 entries committed; not witnessed (no policy is configured); \
             not timestamped (no authority is configured)\n"
        );
        proof.witnesses = WitnessStanding::UpTo { size: 8 };
        let at = Timestamp::from_seconds(1_786_698_151).unwrap();
        proof.time = TimeStanding::UpTo { size: 4, at, by: "tsa\u{1b}[31m".to_owned() };
        assert_eq!(
            proof_text(&proof),
            "PROOF  3 entries committed; 2 witnessed (the policy is met up to entry 7); \
             1 timestamped (up to entry 3, at 2026-08-14T09:02:31Z by tsa\\u{1b}[31m)\n"
        );
        proof.witnesses = WitnessStanding::Unknown { why: "no file".to_owned() };
        proof.time = TimeStanding::NotYet;
        assert!(proof_text(&proof).ends_with("; witnesses not known (no file); not timestamped yet\n"));
        assert_eq!(proof_text(&ProofSide::default()), "", "nothing is cited");
    }
}
