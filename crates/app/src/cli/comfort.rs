//! `ascribe doctor`, `ascribe config show`, `ascribe config history`, `ascribe completions`, `ascribe man`.

use ascribe_model::{ConfigEntry, SettingChange};
use clap::{Args, CommandFactory as _, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde_json::json;

use super::colour;
use super::escape::line;
use super::messages::{Exit, Failure, print};
use super::{Arguments, Asked, Output, csv};
use crate::clock;
use crate::ops::{self, Change, ConfiguredError, Finding, Origin, Setting, SettingsError, State};

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Every setting with its value
    Show {
        /// Say too where each value comes from: default, flag, file or environment
        #[arg(long)]
        origin: bool,
    },
    /// What was configured when: every change that the ledger recorded
    History,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: ShellName,
}

/// A shell that commands can be completed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShellName {
    /// Put the script into `~/.local/share/bash-completion/completions/ascribe`
    Bash,
    /// Put the script into `~/.config/fish/completions/ascribe.fish`
    Fish,
    /// Put the script into a folder of `$fpath`, as `_ascribe`
    Zsh,
    /// Add the script to the profile
    Powershell,
    /// Add the script to `rc.elv`
    Elvish,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The command whose page is wanted [default: the program's own]
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// There is no page of this name.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` is no command, so it has no page")]
struct NoPage {
    command: String,
}

pub fn doctor(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let findings = ops::doctor(asked.evidence, clock::now());
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Good);
    let rows = || {
        let row = |finding: &Finding| {
            let fix = finding.fix.clone().unwrap_or_default();
            vec![finding.what.to_owned(), finding.state.word().to_owned(), finding.why.clone(), fix]
        };
        findings.iter().map(row).collect::<Vec<_>>()
    };
    let value = |finding: &Finding| json!({ "what": finding.what, "state": finding.state.word(), "why": finding.why, "fix": finding.fix });
    let text = match asked.output {
        Output::Table => doctor_text(&findings, worst),
        Output::Json => {
            let findings: Vec<_> = findings.iter().map(value).collect();
            let whole = json!({ "schema": "ascribe/doctor/v1", "state": worst.word(), "findings": findings });
            let whole = asked.beside(whole);
            format!("{whole:#}\n")
        }
        Output::Jsonl => {
            findings.iter().map(|finding| format!("{}\n", value(finding))).collect::<Vec<_>>().concat()
        }
        Output::Csv => csv::table(&["what", "state", "why", "fix"], &rows()),
    };
    print(&text)?;
    Ok(match worst {
        State::Good | State::Advice => Exit::Yes,
        State::Unknown => Exit::Inconclusive,
        State::Broken => Exit::No,
    })
}

fn doctor_text(findings: &[Finding], worst: State) -> String {
    let mut out = String::new();
    for finding in findings {
        out.push_str(&format!(
            "{:<16}{:<9}{}\n",
            finding.what,
            finding.state.word(),
            line(&finding.why, 500)
        ));
        if let Some(fix) = &finding.fix {
            out.push_str(&format!("{:<25}fix: {}\n", "", line(fix, 500)));
        }
    }
    out.push_str(match worst {
        State::Good => "\nEverything is in order.\n",
        State::Advice => "\nEverything is in order; the advice makes it better.\n",
        State::Unknown => "\nNothing is broken, but something could not be found out.\n",
        State::Broken => "\nSomething is broken.\n",
    });
    out
}

pub fn config(asked: &Asked<'_>, arguments: &ConfigArguments) -> Result<Exit, Failure> {
    match arguments.command {
        ConfigCommand::Show { origin } => config_show(asked, origin),
        ConfigCommand::History => config_history(asked),
    }
}

fn config_history(asked: &Asked<'_>) -> Result<Exit, Failure> {
    let history = ops::config_history(asked.evidence)?;
    let value = |change: &Change| json!({ "leaf": change.leaf, "at": change.at, "entry": change.entry });
    let text = match asked.output {
        Output::Table => history.iter().map(change_text).collect::<Vec<_>>().concat(),
        Output::Json => {
            let changes: Vec<_> = history.iter().map(value).collect();
            let whole = asked.beside(json!({ "schema": "ascribe/config-history/v1", "changes": changes }));
            format!("{whole:#}\n")
        }
        Output::Jsonl => {
            history.iter().map(|change| format!("{}\n", value(change))).collect::<Vec<_>>().concat()
        }
        Output::Csv => {
            let rows = history.iter().flat_map(change_rows).collect::<Vec<_>>();
            csv::table(&["leaf", "at", "by", "config", "name", "old", "new"], &rows)
        }
    };
    let nothing = "Nothing is recorded yet: the first run that writes records what is configured.\n";
    print(if text.is_empty() { nothing } else { &text })?;
    Ok(Exit::Yes)
}

/// One recorded change: a line, and one more for each value that is not what it was.
fn change_text(change: &Change) -> String {
    let what = change.entry.name().replace('_', " ");
    let mut out = format!("{}  entry {}: {what}", change.at, change.leaf);
    match &change.entry {
        ConfigEntry::Settings { by, changed, .. } => {
            out.push_str(&format!(", by {}\n", line(by, 100)));
            for SettingChange { name, old, new } in changed {
                let shown = |value: &Option<String>| {
                    value.as_deref().map_or_else(|| "(not set)".to_owned(), |value| line(value, 200))
                };
                out.push_str(&format!("  {:<32}{} -> {}\n", line(name, 100), shown(old), shown(new)));
            }
        }
        other => out.push_str(&format!(" {}\n", line(other.version(), 100))),
    }
    out
}

fn change_rows(change: &Change) -> Vec<Vec<String>> {
    let row = |by: &str, name: &str, old: &str, new: &str| {
        let (leaf, at) = (change.leaf.to_string(), change.at.to_string());
        let config = change.entry.name().to_owned();
        vec![leaf, at, by.to_owned(), config, name.to_owned(), old.to_owned(), new.to_owned()]
    };
    match &change.entry {
        ConfigEntry::Settings { by, changed, .. } => changed
            .iter()
            .map(|one| {
                let value = |value: &Option<String>| value.clone().unwrap_or_default();
                row(by, &one.name, &value(&one.old), &value(&one.new))
            })
            .collect(),
        other => vec![row("", "", "", other.version())],
    }
}

fn config_show(asked: &Asked<'_>, origin: bool) -> Result<Exit, Failure> {
    let mut settings = vec![
        Setting {
            name: "evidence",
            value: asked.evidence.to_string_lossy().into_owned(),
            origin: given(asked.given.evidence, "--evidence"),
        },
        Setting {
            name: "output",
            value: asked.output.name().to_owned(),
            origin: given(asked.given.output, "--output"),
        },
    ];
    let (coloured, decided_by) = colour::on_standard_error();
    let value = if coloured { "on" } else { "off" }.to_owned();
    settings.push(Setting { name: "colour", value, origin: decided_by });
    settings.extend(ops::settings(asked.evidence)?);
    let value = |setting: &Setting| json!({ "name": setting.name, "value": setting.value, "origin": setting.origin.to_string() });
    let text = match asked.output {
        Output::Table => config_text(&settings, origin),
        Output::Json => {
            let settings: Vec<_> = settings.iter().map(value).collect();
            format!("{:#}\n", json!({ "schema": "ascribe/config/v1", "settings": settings }))
        }
        Output::Jsonl => {
            settings.iter().map(|setting| format!("{}\n", value(setting))).collect::<Vec<_>>().concat()
        }
        Output::Csv => {
            let row = |it: &Setting| vec![it.name.to_owned(), it.value.clone(), it.origin.to_string()];
            csv::table(&["name", "value", "origin"], &settings.iter().map(row).collect::<Vec<_>>())
        }
    };
    print(&text)?;
    Ok(Exit::Yes)
}

fn given(is_given: bool, option: &'static str) -> Origin {
    if is_given { Origin::Flag(option) } else { Origin::Default }
}

fn config_text(settings: &[Setting], with_origin: bool) -> String {
    let values: Vec<String> = settings.iter().map(|setting| line(&setting.value, 300)).collect();
    let width = values.iter().map(|value| value.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (setting, value) in settings.iter().zip(values) {
        let name = setting.name;
        if with_origin {
            let origin = line(&setting.origin.to_string(), 300);
            out.push_str(&format!("{name:<16}{value:<width$}  {origin}\n"));
        } else {
            out.push_str(&format!("{name:<16}{value}\n"));
        }
    }
    out
}

pub fn completions(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let shell = match arguments.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Fish => Shell::Fish,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Powershell => Shell::PowerShell,
        ShellName::Elvish => Shell::Elvish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ascribe", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Yes)
}

pub fn man(arguments: &ManArguments) -> Result<Exit, Failure> {
    let mut program = Arguments::command();
    program.build();
    let command = match &arguments.command {
        None => program,
        Some(name) => {
            let found = program.get_subcommands().find(|command| command.get_name() == name).cloned();
            found.ok_or_else(|| {
                Failure::unusable(NoPage { command: name.clone() }, "`ascribe --help` lists the commands")
            })?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::unusable(error, "this is a defect of the program"))?;
    print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Yes)
}

impl From<ConfiguredError> for Failure {
    fn from(error: ConfiguredError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
