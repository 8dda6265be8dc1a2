//! Every setting with its value and where it comes from. Settings are few: what a run does follows from its arguments
//! and files. The environment decides on colours and nothing else.

use std::path::Path;

use crate::capture::{Capture, CaptureError};
use crate::workspace::{SETTINGS_FILE, TimestampSettings, Workspace, WorkspaceError};

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name: that of the option, or that in the file.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// An option of the command line.
    Flag(&'static str),
    /// A file.
    File(String),
    /// A variable of the environment.
    Environment(&'static str),
    /// The terminal, or that there is none.
    Terminal,
}

/// Settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The folder is not usable.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The capture policy is not usable.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// The settings of the evidence in `root`.
pub fn settings(root: &Path) -> Result<Vec<Setting>, SettingsError> {
    let workspace = Workspace::open(root)?;
    let path = root.join(SETTINGS_FILE);
    let file = || Origin::File(path.to_string_lossy().into_owned());
    let settings = workspace.settings();
    let anchor = if workspace.states(&["anchor"])? { file() } else { Origin::Default };
    let capture = Capture::open(root)?;
    let policy = root.join(crate::capture::POLICY_FILE);
    let (policy, policy_origin) = match capture.version() {
        Some(version) => (version.to_owned(), Origin::File(policy.to_string_lossy().into_owned())),
        None => ("none".to_owned(), Origin::Default),
    };
    let network = settings.network.clone();
    let proxy = network.proxy.map_or(("none".to_owned(), Origin::Default), |proxy| (proxy, file()));
    let roots = network.roots.map_or(("public".to_owned(), Origin::Default), |roots| {
        (roots.to_string_lossy().into_owned(), file())
    });
    let policy_file = settings.witness.policy.as_ref();
    let witnesses = policy_file.map_or(("none".to_owned(), Origin::Default), |policy| {
        (policy.to_string_lossy().into_owned(), file())
    });
    let pulse = &settings.pulse;
    let stated =
        |name| workspace.states(&["pulse", name]).map(|it| if it { file() } else { Origin::Default });
    let silent = pulse.silent_after.map_or_else(|| "never".to_owned(), |after| after.to_string());
    let authorities: Vec<String> =
        settings.timestamp.authorities.iter().map(|it| format!("{} ({})", it.name, it.url)).collect();
    let authorities = if authorities.is_empty() {
        ("none".to_owned(), Origin::Default)
    } else {
        (authorities.join(", "), file())
    };
    Ok(vec![
        Setting { name: "format", value: settings.format.to_string(), origin: file() },
        Setting { name: "origin", value: settings.origin.clone(), origin: file() },
        Setting { name: "anchor", value: settings.anchor.to_string_lossy().into_owned(), origin: anchor },
        Setting {
            name: "access required",
            value: settings.access.required.to_string(),
            origin: if workspace.states(&["access"])? { file() } else { Origin::Default },
        },
        Setting { name: "capture policy", value: policy, origin: policy_origin },
        Setting { name: "witness policy", value: witnesses.0, origin: witnesses.1 },
        Setting { name: "proxy", value: proxy.0, origin: proxy.1 },
        Setting { name: "TLS roots", value: roots.0, origin: roots.1 },
        Setting {
            name: "pulse heartbeat",
            value: pulse.heartbeat_after.to_string(),
            origin: stated("heartbeat_after")?,
        },
        Setting { name: "pulse silence", value: silent, origin: stated("silent_after")? },
        Setting { name: "pulse streams", value: pulse.stream.len().to_string(), origin: stated("stream")? },
        Setting {
            name: "timestamp wait",
            value: format!("{} s", settings.timestamp.timeout_seconds),
            origin: if settings.timestamp == TimestampSettings::default() { Origin::Default } else { file() },
        },
        Setting { name: "timestamps by", value: authorities.0, origin: authorities.1 },
    ])
}

impl SettingsError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Capture(error) => error.hint(),
        }
    }
}

/// `default`, or the option, file or variable.
impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Flag(option) => write!(formatter, "flag {option}"),
            Self::File(path) => write!(formatter, "file {path}"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Terminal => formatter.write_str("terminal"),
        }
    }
}
