//! Names that Vault and OpenBao make up: display names, and the users of their dynamic secrets.
//!
//! Only the default templates are known; an operator may set others (`username_template`). Where a template cuts a
//! name off, what is left is compared with what the name would be cut to, never the other way round.

/// Characters that the AWS engine leaves of a display name and a role in the names of users and sessions.
const AWS_NAMES_LENGTH: usize = 42;

/// An engine that makes users under a default template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserEngine {
    /// `v-<display 8>-<role 8>-<random 20>-<unix>`, at most 63.
    PostgreSql,
    /// `v-<display 10>-<role 10>-<random 20>-<unix>`, at most 32: the time is cut off.
    MySql,
    /// `v_<display 15>_<role 15>_<random 20>_<unix>`, at most 100, lower case, `-` as `_`. InfluxDB has the same.
    Cassandra,
    /// `v-<display 8>-<role 8>-<unix>-<random 24>`, at most 62, lower case: a service account.
    Kubernetes,
}

impl UserEngine {
    /// Where the template cuts a name off, in bytes.
    const fn longest(self) -> usize {
        match self {
            Self::PostgreSql => 63,
            Self::MySql => 32,
            Self::Cassandra => 100,
            Self::Kubernetes => 62,
        }
    }
}

/// A user's name taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicUser<'a> {
    /// Display name and role, cut as the template cuts them, with a joint between them. Either may hold the joint
    /// itself, so they cannot be told apart from this alone; [`user_names`] says what two names would give.
    pub names: &'a str,
    /// The random part, perhaps cut.
    pub random: &'a str,
    /// When it was made, in seconds since the Unix epoch, where the name still has it.
    pub made: Option<u64>,
}

/// A name that a token was asked to have, as the token store writes it behind `token-`.
pub fn token_display_name(requested: &str) -> String {
    let whole = format!("token-{requested}");
    let kept: String = whole.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    kept.strip_suffix('-').unwrap_or(&kept).to_owned()
}

/// `<display name>-<role>` as the AWS engine writes it into `vault-<names>-<unix>-<random>`.
pub fn aws_names(display_name: &str, role: &str) -> String {
    let normal = |character: char| match character {
        '+' | '=' | ',' | '.' | '@' | '_' | '-' => character,
        _ if character.is_ascii_alphanumeric() => character,
        _ => '_',
    };
    let names = display_name.chars().chain(['-']).chain(role.chars());
    names.map(normal).take(AWS_NAMES_LENGTH).collect()
}

/// Takes `vault-<names>-<unix>-<random>` apart: the name of an IAM user or role session that Vault made.
pub fn read_aws_name(name: &str) -> Option<DynamicUser<'_>> {
    let rest = name.strip_prefix("vault-")?;
    let (rest, random) = rest.rsplit_once('-')?;
    let (names, made) = rest.rsplit_once('-')?;
    let is_random = !random.is_empty() && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let made = unix_seconds(made)?;
    (is_random && !names.is_empty()).then_some(DynamicUser { names, random, made: Some(made) })
}

/// Display name and role as an engine writes them into [`DynamicUser::names`].
pub fn user_names(engine: UserEngine, display_name: &str, role: &str) -> String {
    let cut = |name: &str, length| name.chars().take(length).collect::<String>();
    match engine {
        UserEngine::PostgreSql => format!("{}-{}", cut(display_name, 8), cut(role, 8)),
        UserEngine::MySql => format!("{}-{}", cut(display_name, 10), cut(role, 10)),
        UserEngine::Cassandra => {
            format!("{}_{}", cut(display_name, 15), cut(role, 15)).replace('-', "_").to_lowercase()
        }
        UserEngine::Kubernetes => format!("{}-{}", cut(display_name, 8), cut(role, 8)).to_lowercase(),
    }
}

/// Takes the name of a user that an engine made apart; `None` where it does not fit the engine's default template.
pub fn read_user(engine: UserEngine, user: &str) -> Option<DynamicUser<'_>> {
    if user.len() > engine.longest() {
        return None;
    }
    match engine {
        UserEngine::PostgreSql => {
            let (names, random, made) = parts(user.strip_prefix("v-")?, '-')?;
            fits(names, random, 20).then_some(DynamicUser { names, random, made: Some(unix_seconds(made)?) })
        }
        UserEngine::Cassandra => {
            let (names, random, made) = parts(user.strip_prefix("v_")?, '_')?;
            fits(names, random, 20).then_some(DynamicUser { names, random, made: Some(unix_seconds(made)?) })
        }
        UserEngine::Kubernetes => {
            let (names, made, random) = parts(user.strip_prefix("v-")?, '-')?;
            fits(names, random, 24).then_some(DynamicUser { names, random, made: Some(unix_seconds(made)?) })
        }
        UserEngine::MySql => {
            let rest = user.strip_prefix("v-").filter(|_| user.len() == engine.longest())?;
            let (names, random) = rest.rsplit_once('-')?;
            // Behind 20 characters the template goes on with a joint: what is left of the time is useless.
            let (names, random) = if random.len() < 8 && names.rsplit_once('-')?.1.len() == 20 {
                names.rsplit_once('-')?
            } else {
                (names, random)
            };
            let is_random = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
            (is_random && (8..=20).contains(&random.len()) && !names.is_empty()).then_some(DynamicUser {
                names,
                random,
                made: None,
            })
        }
    }
}

/// The part before the last two joints, and the two behind them.
fn parts(text: &str, joint: char) -> Option<(&str, &str, &str)> {
    let (rest, last) = text.rsplit_once(joint)?;
    let (names, middle) = rest.rsplit_once(joint)?;
    Some((names, middle, last))
}

fn fits(names: &str, random: &str, length: usize) -> bool {
    !names.is_empty() && random.len() == length && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Ten digits: from 2001 to 2286.
fn unix_seconds(text: &str) -> Option<u64> {
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}
