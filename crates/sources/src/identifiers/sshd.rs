//! The line that `sshd` writes about an attempt to sign in, taken apart so that nobody can forge its parts.
//!
//! Format: `auth_log` in OpenSSH's `auth.c`, `<result> <method> for [invalid user ]<user> from <address> port <port>
//! ssh2[: <key>]`. User name and key id come from the client and may hold any text, so one line can be read in several
//! ways. A user who exists has a name without blanks and stands first, so the first ` from … port … ssh2` is the
//! server's; the name of one who does not exist may hold that text itself, so the last one is, and what stands there
//! is only as good as the client's word.

/// An attempt to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// How it ended.
    pub result: AttemptResult,
    /// Method and submethod, such as `publickey` or `keyboard-interactive/pam`.
    pub method: &'a str,
    /// The user's name.
    pub user: &'a str,
    /// Whether the server knows the user. If it does not, name and address may be forged.
    pub user_exists: bool,
    /// The client's address as written; IPv6 may have a zone.
    pub address: &'a str,
    /// The client's port.
    pub port: u16,
    /// The key or certificate that was shown.
    pub key: Option<ShownKey<'a>>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// The user is in.
    Accepted,
    /// It was refused.
    Failed,
    /// It was good, and another method is asked for.
    Partial,
    /// It goes on.
    Postponed,
}

/// A key or certificate as the line shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownKey<'a> {
    /// Type, such as `ED25519` or `ED25519-CERT`.
    pub kind: &'a str,
    /// `SHA256:…`; older versions leave it out for certificates.
    pub fingerprint: Option<&'a str>,
    /// What the certificate says, if it is one.
    pub certificate: Option<ShownCertificate<'a>>,
}

/// What a line shows of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownCertificate<'a> {
    /// The key id, which the authority set, perhaps as it was asked to.
    pub key_id: &'a str,
    /// The serial number; 0 where the authority sets none.
    pub serial: u64,
    /// The authority's fingerprint.
    pub authority: Option<&'a str>,
}

/// Reads the message of a line, without what syslog puts in front.
pub fn attempt(message: &str) -> Option<Attempt<'_>> {
    let (result, rest) = message.split_once(' ')?;
    let result = match result {
        "Accepted" => AttemptResult::Accepted,
        "Failed" => AttemptResult::Failed,
        "Partial" => AttemptResult::Partial,
        "Postponed" => AttemptResult::Postponed,
        _ => return None,
    };
    let (method, rest) = rest.split_once(" for ")?;
    if method.is_empty() || method.contains(' ') {
        return None;
    }
    let (user_exists, rest) = match rest.strip_prefix("invalid user ") {
        Some(rest) => (false, rest),
        None => (true, rest),
    };
    let places = rest.match_indices(" from ").filter_map(|(at, _)| Some((at, Client::read(&rest[at..])?)));
    let (at, client) = if user_exists {
        // Blanks cannot stand in the name, so only what follows the first word counts.
        let first = rest.find(' ')?;
        places.into_iter().next().filter(|(at, _)| *at == first)?
    } else {
        places.last()?
    };
    let key = client.rest.strip_prefix(": ").and_then(ShownKey::read);
    let Client { address, port, .. } = client;
    Some(Attempt { result, method, user: &rest[..at], user_exists, address, port, key })
}

struct Client<'a> {
    address: &'a str,
    port: u16,
    rest: &'a str,
}

impl<'a> Client<'a> {
    /// Reads ` from <address> port <port> ssh2` at the start of `text`.
    fn read(text: &'a str) -> Option<Self> {
        let (address, rest) = text.strip_prefix(" from ")?.split_once(" port ")?;
        let (port, rest) = rest.split_once(" ssh2")?;
        let is_address = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_graphic());
        let is_whole = rest.is_empty() || rest.starts_with(": ");
        Some(Self { address, port: port.parse().ok()?, rest }).filter(|_| is_address && is_whole)
    }
}

impl<'a> ShownKey<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        if kind.is_empty() {
            return None;
        }
        let (shown, certificate) = if let Some(certificate) = rest.strip_prefix("ID ") {
            (None, ShownCertificate::read(certificate))
        } else {
            let (shown, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            let certificate = behind.strip_prefix("ID ").and_then(ShownCertificate::read);
            (Some(shown.trim_end_matches(',')), certificate)
        };
        let fingerprint = shown.filter(|shown| shown.starts_with("SHA256:") || shown.starts_with("MD5:"));
        Some(Self { kind, fingerprint, certificate })
    }
}

impl<'a> ShownCertificate<'a> {
    /// Reads `<key id> (serial <number>)[ CA <type> <fingerprint>]`. A key id may hold any of these words, so the last
    /// ones count.
    fn read(text: &'a str) -> Option<Self> {
        let (key_id, rest) = text.rsplit_once(" (serial ")?;
        let (serial, rest) = rest.split_once(')')?;
        let authority = rest.strip_prefix(" CA ").and_then(|authority| authority.split(' ').nth(1));
        Some(Self {
            key_id,
            serial: serial.parse().ok()?,
            authority: authority.map(|it| it.trim_end_matches(',')),
        })
    }
}
