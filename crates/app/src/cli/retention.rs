//! `ascribe retention`: how long evidence is kept, what is held, what was destroyed by whose approval.

use std::path::PathBuf;

use ascribe_govern::{Approvals, CountedFrom, DisposalStatus, Keep};
use ascribe_model::{HoldScope, Timestamp};
use ascribe_sources::capture::FieldPath;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::access::by_words;
use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::questions::moment;
use super::rows::{Rows, aligned};
use super::upkeep::form;
use super::{Asked, Output, csv};
use crate::ops::{self, Loss, Proposal, RetentionError, RetentionState, Simulated};
use crate::retention::duration;

/// Arguments of `retention`.
#[derive(Debug, Args)]
pub struct RetentionArguments {
    /// What to do; without it, shows what is kept, held, due and destroyed
    #[command(subcommand)]
    command: Option<RetentionCommand>,
}

/// What can be decided about retention.
#[derive(Debug, Subcommand)]
enum RetentionCommand {
    /// Hold everything that fits, whatever the rules say, until the case is released
    Hold(HoldArguments),
    /// End the holds of a case
    Release(ReleaseArguments),
    /// Propose for erasure what the rules say is due, or what names an identity or a key; erases nothing
    Propose(ProposeArguments),
    /// Approve a disposal
    Approve(ApproveArguments),
    /// Call a disposal off
    Withdraw(WithdrawArguments),
    /// Carry an approved disposal out: bytes and salts are destroyed, and a tombstone says so
    Dispose(DisposeArguments),
    /// What could no longer be answered if something were gone, counted from the data present; changes nothing
    Simulate(SimulateArguments),
}

/// Arguments of `retention hold`.
#[derive(Debug, Args)]
struct HoldArguments {
    /// Name of the case
    #[arg(value_parser = text)]
    case: String,
    /// Why it is held
    #[arg(long, value_parser = text)]
    reason: String,
    /// Who answers for the case
    #[arg(long, value_parser = text)]
    owner: String,
    /// Only what is of this source; may be given more than once
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Only what names this identity or key; may be given more than once
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Only events at this moment or later, such as `2026-08-14T09:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only events at this moment or before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

/// Arguments of `retention release`.
#[derive(Debug, Args)]
struct ReleaseArguments {
    /// Name of the case
    case: String,
    /// Why its holds end
    #[arg(long, value_parser = text)]
    reason: String,
}

/// Arguments of `retention propose`.
#[derive(Debug, Args)]
struct ProposeArguments {
    /// Only what this rule says
    #[arg(long, value_name = "RULE", conflicts_with = "erase")]
    rule: Option<String>,
    /// Instead, everything that names this identity or key; may be given more than once
    #[arg(long, value_name = "NAME", requires = "reason")]
    erase: Vec<String>,
    /// Why that is asked for
    #[arg(long, requires = "erase", value_parser = text)]
    reason: Option<String>,
}

/// Arguments of `retention approve`.
#[derive(Debug, Args)]
struct ApproveArguments {
    /// The disposal: the leaf that `propose` printed
    disposal: u64,
    /// Private key of the approver, where `retention.toml` lists keys; otherwise the user of this machine approves
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Arguments of `retention withdraw`.
#[derive(Debug, Args)]
struct WithdrawArguments {
    /// The disposal: the leaf that `propose` printed
    disposal: u64,
    /// Why it is called off
    #[arg(long, value_parser = text)]
    reason: String,
}

/// Arguments of `retention dispose`.
#[derive(Debug, Args)]
struct DisposeArguments {
    /// The disposal: the leaf that `propose` printed
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    disposal: Option<u64>,
    /// Go on with an erasure that was begun and not ended
    #[arg(long)]
    resume: bool,
}

/// Arguments of `retention simulate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("loss").required(true).args(["keep", "drop"]))]
struct SimulateArguments {
    /// As if only what was received within this time were kept, such as `30d`
    #[arg(long, value_name = "TIME", value_parser = keep)]
    keep: Option<i64>,
    /// As if the values of this field were gone, such as `sourceIPAddress`; may be given more than once
    #[arg(long, value_name = "FIELD", value_parser = field)]
    drop: Vec<FieldPath>,
    /// Only of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
}

pub fn retention(asked: &Asked<'_>, arguments: &RetentionArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        None => state(asked),
        Some(RetentionCommand::Hold(hold)) => place(asked, hold),
        Some(RetentionCommand::Release(release)) => {
            let leaf = ops::release(asked.evidence, &release.case, &release.reason)?;
            decided(asked, "release", leaf, &format!("the holds of case {} end", line(&release.case, 200)))
        }
        Some(RetentionCommand::Propose(arguments)) => propose(asked, arguments),
        Some(RetentionCommand::Approve(approve)) => {
            let (approver, approvals) =
                ops::approve(asked.evidence, approve.disposal, approve.key.as_deref())?;
            let rest = match approvals {
                Approvals::Enough => {
                    format!("it can be carried out: ascribe retention dispose {}", approve.disposal)
                }
                Approvals::Missing(missing) => format!("{missing} more needed"),
            };
            let said = format!(
                "{} approved the disposal at leaf {}; {rest}",
                line(&approver, 200),
                approve.disposal
            );
            decided(asked, "approval", approve.disposal, &said)
        }
        Some(RetentionCommand::Withdraw(withdraw)) => {
            let leaf = ops::withdraw(asked.evidence, withdraw.disposal, &withdraw.reason)?;
            decided(
                asked,
                "withdrawal",
                leaf,
                &format!("the disposal at leaf {} is called off", withdraw.disposal),
            )
        }
        Some(RetentionCommand::Dispose(dispose)) => carry_out(asked, dispose),
        Some(RetentionCommand::Simulate(arguments)) => simulate(asked, arguments),
    }
}

fn place(asked: &Asked<'_>, hold: &HoldArguments) -> Result<Exit, Failure> {
    let scope = HoldScope {
        sources: hold.source.clone(),
        names: hold.name.clone(),
        since: hold.since,
        until: hold.until,
    };
    let leaf = ops::hold(asked.evidence, (&hold.case, &hold.reason, &hold.owner), scope)?;
    decided(asked, "hold", leaf, &format!("held for case {} until it is released", line(&hold.case, 200)))
}

fn decided(asked: &Asked<'_>, what: &str, leaf: u64, said: &str) -> Result<Exit, Failure> {
    let rows = [("decision", what.to_owned()), ("leaf", leaf.to_string()), ("result", said.to_owned())];
    let value = json!({ "schema": "ascribe/decision/v1", "decision": what, "leaf": leaf, "result": said });
    asked.told.results(1, None);
    print(&form(asked, &rows, &value, ""))?;
    Ok(Exit::Yes)
}

fn propose(asked: &Asked<'_>, arguments: &ProposeArguments) -> Result<Exit, Failure> {
    let proposal = match &arguments.reason {
        Some(reason) => Proposal::Request { names: &arguments.erase, reason },
        None => Proposal::Due { rule: arguments.rule.as_deref() },
    };
    let proposed = ops::propose(asked.evidence, proposal)?;
    let rows = proposed.iter().map(|it| {
        let by = it.disposal.rule.clone().or_else(|| it.disposal.reason.clone()).unwrap_or_default();
        vec![
            it.leaf.to_string(),
            by,
            it.disposal.entries.to_string(),
            it.held.to_string(),
            it.left.to_string(),
            it.disposal.approvals.to_string(),
        ]
    });
    let rows = Rows {
        header: vec!["disposal", "rule or reason", "entries", "held", "left for later", "approvals needed"],
        rows: rows.collect(),
    };
    let value = json!({
        "schema": "ascribe/retention-proposal/v1",
        "disposals": proposed.iter().map(|it| json!({
            "leaf": it.leaf,
            "disposal": it.disposal,
            "held": it.held,
            "left": it.left,
        })).collect::<Vec<_>>(),
    });
    asked.told.results(proposed.iter().map(|it| it.disposal.entries).sum(), None);
    let more = "\nNothing is erased yet. `ascribe retention approve DISPOSAL`, then `ascribe retention dispose DISPOSAL`.\n";
    show(asked, &rows, &value, more)
}

fn carry_out(asked: &Asked<'_>, arguments: &DisposeArguments) -> Result<Exit, Failure> {
    let (destroyed, held) = match arguments.disposal {
        Some(disposal) => {
            let disposed = ops::dispose(asked.evidence, disposal)?;
            (disposed.destroyed, disposed.held)
        }
        None => match ops::resume_disposal(asked.evidence)? {
            Some(destroyed) => (destroyed, 0),
            None => return decided(asked, "none", 0, "no erasure is under way"),
        },
    };
    let rows = [
        ("tombstone", format!("leaf {}", destroyed.tombstone)),
        ("entries erased", destroyed.entries.to_string()),
        ("bytes erased", destroyed.bytes.to_string()),
        ("sealed values erased", destroyed.sealed_values.to_string()),
        ("segments rewritten", destroyed.segments.to_string()),
        ("kept by a hold", held.to_string()),
    ];
    let value = json!({
        "schema": "ascribe/disposal/v1",
        "tombstone": destroyed.tombstone,
        "entries": destroyed.entries,
        "bytes": destroyed.bytes,
        "sealed_values": destroyed.sealed_values,
        "segments": destroyed.segments,
        "held": held,
    });
    asked.told.results(destroyed.entries, None);
    let more =
        "\nThe store is derived anew without them. Backups and copies that others hold still have them.\n";
    print(&form(asked, &rows, &value, more))?;
    Ok(Exit::Yes)
}

fn simulate(asked: &Asked<'_>, arguments: &SimulateArguments) -> Result<Exit, Failure> {
    let source = arguments.source.clone();
    let loss = match arguments.keep {
        Some(nanoseconds) => Loss::Older { keep: Keep::For(nanoseconds), source },
        None => Loss::Fields { fields: arguments.drop.clone(), source },
    };
    let simulated = ops::simulate(asked.evidence, &loss)?;
    let rows = simulated.questions.iter().map(|question| {
        let examples = question.examples.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        vec![
            question.command.to_owned(),
            question.question.to_owned(),
            question.of.to_owned(),
            question.now.to_string(),
            question.then.to_string(),
            (question.now - question.then).to_string(),
            examples,
        ]
    });
    let rows = Rows {
        header: vec!["command", "question", "of a", "now", "then", "lost", "such as"],
        rows: rows.collect(),
    };
    asked.told.results(simulated.touched, None);
    show(asked, &rows, &simulated_value(&simulated), &simulated_words(&simulated))
}

fn simulated_value(simulated: &Simulated) -> Value {
    json!({
        "schema": "ascribe/retention-simulation/v1",
        "records": simulated.records,
        "touched": simulated.touched,
        "held": simulated.held,
        "questions": simulated.questions.iter().map(|question| json!({
            "command": question.command,
            "question": question.question,
            "of": question.of,
            "now": question.now,
            "then": question.then,
            "examples": question.examples,
        })).collect::<Vec<_>>(),
    })
}

fn simulated_words(simulated: &Simulated) -> String {
    format!(
        "\n{} of {} records would be gone or say less; {} more stay because a hold covers them. Nothing was changed.\n\
         A question that stays answerable may still get a weaker answer: what is counted is whether the facts that it \
         needs are on record.\n",
        simulated.touched, simulated.records, simulated.held
    )
}

fn state(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let state = ops::retention(asked.evidence)?;
    asked
        .told
        .results(state.rules.iter().map(|rule| rule.entries).sum::<u64>() + state.kept, Some(state.size));
    let text = match asked.output {
        Output::Table => state_text(&state),
        Output::Json => format!("{:#}\n", asked.beside(state_value(&state))),
        Output::Jsonl => format!("{}\n", asked.beside(state_value(&state))),
        Output::Csv => {
            let rows = rule_rows(&state);
            csv::table(&rows.header, &rows.rows)
        }
    };
    print(&text)?;
    Ok(Exit::Yes)
}

fn state_text(state: &RetentionState) -> String {
    let mut out = String::from("RULES\n");
    if state.rules.is_empty() {
        out.push_str(
            "  none: everything is kept for ever; `retention.toml` in the evidence folder has the rules\n",
        );
    } else {
        out.push_str(&aligned(&rule_rows(state)));
    }
    out.push_str(&format!("  {} entries are under no rule, or kept for ever\n\nHOLDS\n", state.kept));
    let holds = hold_rows(state);
    out.push_str(&if holds.rows.is_empty() { "  none\n".to_owned() } else { aligned(&holds) });
    let disposals = disposal_rows(state);
    out.push_str("\nDISPOSALS\n");
    out.push_str(&if disposals.rows.is_empty() { "  none\n".to_owned() } else { aligned(&disposals) });
    if let Some(leaf) = state.under_way {
        out.push_str(&format!(
            "\nAn erasure was begun by the tombstone at leaf {leaf} and not ended: `ascribe retention dispose --resume`.\n"
        ));
    }
    for (leaf, reason) in &state.recorded.refused {
        out.push_str(&format!("\nThe decision at leaf {leaf} counts for nothing: {}\n", line(reason, 400)));
    }
    out.push_str(&format!("\nRETENTION  policy {}, at {} entries, {}\n", state.policy, state.size, state.at));
    out
}

fn rule_rows(state: &RetentionState) -> Rows {
    let rows = state.rules.iter().map(|rule| {
        vec![
            rule.name.clone(),
            keep_words(rule.keep, rule.counted_from),
            rule.entries.to_string(),
            rule.due.to_string(),
            rule.held.to_string(),
            rule.next.map_or_else(String::new, |next| next.to_string()),
            rule.approvals.to_string(),
        ]
    });
    Rows {
        header: vec!["rule", "keeps", "entries", "due", "due but held", "next due (UTC)", "approvals"],
        rows: rows.collect(),
    }
}

fn keep_words(keep: Keep, counted_from: CountedFrom) -> String {
    const HOUR: i64 = 3_600_000_000_000;
    let from = match counted_from {
        CountedFrom::Received => "from receipt",
        CountedFrom::Happened => "from the event",
    };
    match keep {
        Keep::Forever => "for ever".to_owned(),
        Keep::For(nanoseconds) if nanoseconds % (24 * HOUR) == 0 => {
            format!("{} d {from}", nanoseconds / (24 * HOUR))
        }
        Keep::For(nanoseconds) => format!("{} h {from}", nanoseconds / HOUR),
    }
}

fn hold_rows(state: &RetentionState) -> Rows {
    let rows = state.recorded.register.holds.values().map(|hold| {
        let scope = &hold.scope;
        let mut of = [scope.sources.join(" or "), scope.names.join(" or ")].join(" ").trim().to_owned();
        if scope.since.is_some() || scope.until.is_some() {
            let moment = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), |at| at.to_string());
            of.push_str(&format!(" {} to {}", moment(scope.since), moment(scope.until)));
        }
        vec![
            hold.case.clone(),
            hold.owner.clone(),
            hold.reason.clone(),
            if of.is_empty() { "everything".to_owned() } else { of },
            state.held.get(&hold.leaf).copied().unwrap_or_default().to_string(),
            hold.placed_at.to_string(),
            hold.leaf.to_string(),
        ]
    });
    Rows {
        header: vec!["case", "owner", "reason", "of", "entries", "since (UTC)", "leaf"],
        rows: rows.collect(),
    }
}

fn disposal_rows(state: &RetentionState) -> Rows {
    let rows = state.recorded.register.disposals.values().map(|it| {
        let (status, erased) = match it.status {
            DisposalStatus::Open => match it.approvals() {
                Approvals::Enough => ("approved, not carried out".to_owned(), String::new()),
                Approvals::Missing(missing) => {
                    let s = if missing == 1 { "" } else { "s" };
                    (format!("waits for {missing} more approval{s}"), String::new())
                }
            },
            DisposalStatus::Withdrawn => ("called off".to_owned(), String::new()),
            DisposalStatus::Done { tombstone } => {
                let found = state.recorded.tombstones.iter().find(|(leaf, _, _)| *leaf == tombstone);
                let when = found.map_or_else(String::new, |(_, at, _)| format!(" {at}"));
                let count = found.map_or(0, |(_, _, tombstone)| tombstone.count());
                (format!("destroyed{when}, tombstone {tombstone}"), count.to_string())
            }
        };
        vec![
            it.leaf.to_string(),
            it.disposal.rule.clone().or_else(|| it.disposal.reason.clone()).unwrap_or_default(),
            it.disposal.entries.to_string(),
            by_words(&it.disposal.by),
            it.approvers.iter().cloned().collect::<Vec<_>>().join(", "),
            status,
            erased,
        ]
    });
    Rows {
        header: vec![
            "leaf",
            "rule or reason",
            "entries",
            "proposed by",
            "approved by",
            "state",
            "leaves erased",
        ],
        rows: rows.collect(),
    }
}

fn state_value(state: &RetentionState) -> Value {
    let named = |rows: Rows| {
        let header = rows.header.clone();
        rows.rows
            .into_iter()
            .map(|row| {
                header.iter().map(|name| (*name).to_owned()).zip(row.into_iter().map(Value::from)).collect()
            })
            .collect::<Vec<Value>>()
    };
    json!({
        "schema": "ascribe/retention/v1",
        "policy": state.policy,
        "size": state.size,
        "at": state.at,
        "kept": state.kept,
        "rules": named(rule_rows(state)),
        "holds": named(hold_rows(state)),
        "disposals": named(disposal_rows(state)),
        "under_way": state.under_way,
        "refused": state.recorded.refused.iter().map(|(leaf, reason)| json!({ "leaf": leaf, "reason": reason })).collect::<Vec<_>>(),
    })
}

fn show(asked: &Asked<'_>, rows: &Rows, value: &Value, more: &str) -> Result<Exit, Failure> {
    let text = match asked.output {
        Output::Table => format!("{}{more}", aligned(rows)),
        Output::Json => format!("{:#}\n", asked.beside(value.clone())),
        Output::Jsonl => format!("{}\n", asked.beside(value.clone())),
        Output::Csv => csv::table(&rows.header, &rows.rows),
    };
    print(&text)?;
    Ok(Exit::Yes)
}

/// A text that is not empty and fits on one line.
fn text(given: &str) -> Result<String, String> {
    if given.trim().is_empty() || given.len() > 1_000 || given.chars().any(char::is_control) {
        return Err("expected one line of text".to_owned());
    }
    Ok(given.to_owned())
}

fn keep(given: &str) -> Result<i64, String> {
    match duration(given) {
        Some(Keep::For(nanoseconds)) => Ok(nanoseconds),
        _ => Err("expected a length of time such as `30d` or `36h`".to_owned()),
    }
}

fn field(given: &str) -> Result<FieldPath, String> {
    given.parse().map_err(|error: ascribe_sources::capture::PathError| error.to_string())
}

impl From<RetentionError> for Failure {
    fn from(error: RetentionError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
