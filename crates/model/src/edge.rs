//! Edges: graded joins between credentials and identities.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Credential, EventId, Identity, Timestamp};

/// How strong a join is. A path is as good as its worst edge, so a later variant is a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JoinGrade {
    /// An identifier that both systems recorded for this very credential.
    A,
    /// A composite that is unique in the window and has a part bound to the issuer.
    B,
    /// A time window with exactly one candidate.
    C,
    /// Several candidates: none is picked.
    D,
}

/// What an edge says of its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// The first brought the second into being.
    Issued,
    /// The first was used as, or exchanged for, the second.
    UsedAs,
    /// The first vouched for the second in another system.
    Presented,
    /// The first acted on behalf of the second.
    OnBehalfOf,
    /// The second was issued for the first: a machine, a pod, a user. It may have been carried elsewhere since.
    BoundTo,
    /// Both describe one request.
    SameRequest,
    /// The first put an end to the second.
    Ended,
}

/// An end of an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A credential.
    Credential(Credential),
    /// An identity.
    Identity(Identity),
    /// The trail ends here although it should go on: that is a fact, not an omission.
    Unresolved {
        /// What is missing, in a sentence.
        reason: String,
        /// The log that would settle it.
        settled_by: String,
    },
}

/// A graded join between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Id of the row in the table of joins that made it, such as `AWS-1`.
    pub rule: String,
    /// What it says.
    pub kind: EdgeKind,
    /// The end nearer to who started it.
    pub from: Node,
    /// The end nearer to the act.
    pub to: Node,
    /// How strong it is.
    pub grade: JoinGrade,
    /// The events that it rests on, sorted.
    pub evidence: Vec<EventId>,
    /// The window in which candidates were looked for; absent where an identifier needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<(Timestamp, Timestamp)>,
    /// How far apart the clocks of the two streams were taken to be; absent where one clock took both moments, and
    /// where no window was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<Skew>,
    /// How many candidates there were.
    pub candidates: u32,
    /// The other candidates, where there is more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Node>,
    /// What had to be configured for the join to be possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
}

/// How far the clocks of two streams were taken to be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skew {
    /// What the clock of the record found shows more than that of the record it was found from, in nanoseconds.
    pub offset_ns: i64,
    /// By how much that may be wrong in either direction, in nanoseconds.
    pub bound_ns: u64,
    /// Version of the estimate that the operator froze; absent where the bound is the stated one, which nobody measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<u32>,
}

impl fmt::Display for JoinGrade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        })
    }
}

/// The readable name of the credential or identity.
impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(credential) => write!(formatter, "{}", credential.uid),
            Self::Identity(identity) => write!(formatter, "{} {}", identity.kind.name(), identity.label()),
            Self::Unresolved { reason, .. } => formatter.write_str(reason),
        }
    }
}
