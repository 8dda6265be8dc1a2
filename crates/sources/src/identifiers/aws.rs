//! What AWS identifiers tell of themselves: the role in an ARN, the account in an access key id.

/// Base32 (RFC 4648 §6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Role name and session name of `arn:aws:sts::111122223333:assumed-role/Name/session`; the name alone of
/// `arn:aws:iam::111122223333:role/path/Name`.
pub fn split_role_arn(arn: &str) -> Option<(&str, Option<&str>)> {
    let resource = arn.splitn(6, ':').nth(5)?;
    if let Some(rest) = resource.strip_prefix("assumed-role/") {
        return Some(rest.split_once('/').map_or((rest, None), |(role, session)| (role, Some(session))));
    }
    resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next()).map(|role| (role, None))
}

/// The ARN of the role of which `arn` is a session. A session's ARN does not have the role's path, so the result
/// names the role only where that has none; the role's id (`AROA…`) has no such gap.
pub fn role_of_session(arn: &str) -> Option<String> {
    let (role, Some(_)) = split_role_arn(arn)? else { return None };
    let (partition, account) = partition_and_account(arn)?;
    Some(format!("arn:{partition}:iam::{account}:role/{role}"))
}

/// The ARN of a session of a role.
pub fn session_of_role(role_arn: &str, session: &str) -> Option<String> {
    let (role, None) = split_role_arn(role_arn)? else { return None };
    let (partition, account) = partition_and_account(role_arn)?;
    Some(format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}"))
}

/// The account number that an access key id, or another id of IAM with four letters in front, encodes: bits 1 to 40
/// of the base32 digits behind those letters. Keys made before 2019 encode none; their first bit there is 0.
///
/// AWS does not document this; it agrees with what `sts:GetAccessKeyInfo` answers
/// (<https://awsteele.com/blog/2020/09/26/aws-access-key-format.html>, and T. Be'ery, "A short note on AWS KEY ID").
pub fn account_of_access_key(id: &str) -> Option<String> {
    let (prefix, digits) = id.as_bytes().split_at_checked(4)?;
    let is_key = prefix.iter().all(u8::is_ascii_uppercase) && digits.len() == 16;
    if !is_key {
        return None;
    }
    let mut bits = 0_u128;
    for digit in digits {
        let value = BASE32.iter().position(|letter| letter == digit)?;
        bits = bits << 5 | u128::try_from(value).ok()?;
    }
    let encodes_account = bits >> 79 == 1;
    let account = bits >> 39 & ((1 << 40) - 1);
    (encodes_account && account < 1_000_000_000_000).then(|| format!("{account:012}"))
}

fn partition_and_account(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':');
    let (scheme, partition) = (parts.next()?, parts.next()?);
    let account = parts.nth(2)?;
    (scheme == "arn" && !partition.is_empty() && !account.is_empty()).then_some((partition, account))
}
