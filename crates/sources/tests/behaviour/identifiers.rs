//! `tests/vectors/identifiers.json`: for each function of `identifiers`, texts and what they give; and what holds of
//! every text.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ascribe_sources::Moment;
use ascribe_sources::identifiers::github::{Repository, Subject, SubjectContext, subjects};
use ascribe_sources::identifiers::vault::{
    UserEngine, aws_names, read_aws_name, read_user, token_display_name, user_names,
};
use ascribe_sources::identifiers::x509::SerialNumber;
use ascribe_sources::identifiers::{Sha256Digest, aws, entra, kubernetes, ssh, sshd};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A function and its name in the file of vectors.
type Named = (&'static str, fn(&Value) -> Value);

const FUNCTIONS: &[Named] = &[
    ("aws.account_of_access_key", |it| json!(aws::account_of_access_key(text(it)))),
    ("aws.role_of_session", |it| json!(aws::role_of_session(text(it)))),
    ("aws.session_of_role", |it| json!(aws::session_of_role(text(&it[0]), text(&it[1])))),
    ("aws.split_role_arn", |it| json!(aws::split_role_arn(text(it)))),
    ("entra.token_claim", |it| json!(entra::token_claim(text(it)))),
    ("entra.token_guid", |it| json!(entra::token_guid(text(it)))),
    ("github.subject", subject),
    ("github.subjects", |it| {
        let field = |name: &str| it[name].as_str();
        let repository = Repository {
            owner: text(&it["owner"]),
            owner_id: field("owner_id"),
            name: text(&it["name"]),
            id: field("id"),
        };
        let context = field("environment").map_or(SubjectContext::PullRequest, |environment| {
            SubjectContext::Environment(environment.to_owned())
        });
        json!(subjects(&repository, &context))
    }),
    ("kubernetes.grant", grant),
    ("kubernetes.service_account", |it| json!(kubernetes::service_account(text(it)))),
    ("moment", |it| json!(Moment::read(text(it)).ok().map(|moment| moment.at.to_string()))),
    ("sha256.base64_to_hex", |it| json!(Sha256Digest::read_base64(text(it)).map(Sha256Digest::to_hex))),
    ("sha256.hex_to_base64", |it| json!(Sha256Digest::read_hex(text(it)).map(Sha256Digest::to_base64))),
    ("sha256.of_token", |it| json!(Sha256Digest::of(text(it).as_bytes()).to_base64())),
    ("ssh.fingerprint_to_hex", |it| json!(ssh::read_fingerprint(text(it)).map(Sha256Digest::to_hex))),
    ("ssh.hex_to_fingerprint", |it| json!(Sha256Digest::read_hex(text(it)).map(ssh::fingerprint))),
    ("ssh.public_key_fingerprint", |it| json!(ssh::public_key_fingerprint(text(it)))),
    ("ssh.serial_to_decimal", |it| json!(ssh::serial_to_decimal(text(it)))),
    ("ssh.serial_to_hex", |it| json!(ssh::serial_to_hex(text(it)))),
    ("sshd.attempt", attempt),
    ("vault.aws_names", |it| json!(aws_names(text(&it[0]), text(&it[1])))),
    ("vault.cassandra_user", |it| user(UserEngine::Cassandra, it)),
    ("vault.kubernetes_user", |it| user(UserEngine::Kubernetes, it)),
    ("vault.mysql_user", |it| user(UserEngine::MySql, it)),
    ("vault.postgresql_user", |it| user(UserEngine::PostgreSql, it)),
    ("vault.read_aws_name", |it| {
        json!(read_aws_name(text(it)).map(|user| json!([user.names, user.random, user.made])))
    }),
    ("vault.token_display_name", |it| json!(token_display_name(text(it)))),
    ("x509.decimal_to_colons", |it| {
        json!(SerialNumber::read_decimal(text(it)).map(|serial| serial.to_colons()))
    }),
    ("x509.decimal_to_hex", |it| json!(SerialNumber::read_decimal(text(it)).map(|serial| serial.to_hex()))),
    ("x509.hex_to_decimal", |it| json!(SerialNumber::read_hex(text(it)).map(|serial| serial.to_decimal()))),
];

#[test]
fn every_vector_gives_what_it_says() {
    let vectors = vectors();
    let mut tested = BTreeSet::new();
    for vector in &vectors {
        let name = text(&vector["function"]);
        let (_, function) = FUNCTIONS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("no function `{name}`"));
        assert_eq!(function(&vector["in"]), vector["expected"], "{name} of {}", vector["in"]);
        tested.insert(name.to_owned());
    }
    let named: BTreeSet<_> = FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(tested, named, "each function has a vector");
}

#[test]
fn the_names_in_a_user_are_what_two_names_would_give() {
    for (engine, user, display_name, role) in [
        (
            UserEngine::PostgreSql,
            "v-approle-readonly-9k2mXqLw0aZb7cYdEfGh-1787390400",
            "approle",
            "readonly-all",
        ),
        (UserEngine::MySql, "v-kubernetes-payments-a-9k2mXqLw", "kubernetes-prod", "payments-api"),
        (UserEngine::Cassandra, "v_token_read_only_9k2mxqlw0azb7cydefgh_1787390400", "token", "Read-Only"),
        (
            UserEngine::Kubernetes,
            "v-token-ci-deploy-a-1787390400-9k2mxqlw0azb7cydefgh1234",
            "token-ci-2",
            "Deploy-api",
        ),
    ] {
        let names = read_user(engine, user).map(|found| found.names.to_owned());
        assert_eq!(names, Some(user_names(engine, display_name, role)), "{user}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_digest_is_read_in_every_spelling(bytes: [u8; 32]) {
        let digest = Sha256Digest(bytes);
        for spelling in [digest.to_hex(), digest.to_hex().to_uppercase(), digest.to_base64(), digest.to_base64_unpadded()] {
            prop_assert_eq!(Sha256Digest::read(&spelling), Some(digest));
        }
        prop_assert_eq!(ssh::read_fingerprint(&ssh::fingerprint(digest)), Some(digest));
    }

    #[test]
    fn an_ssh_serial_survives(serial: u64) {
        let hex = ssh::serial_to_hex(&serial.to_string());
        prop_assert_eq!(hex.as_deref().and_then(ssh::serial_to_decimal), Some(serial.to_string()));
    }

    #[test]
    fn an_x509_serial_is_one_number_in_every_spelling(serial: u128) {
        let number = SerialNumber::read_decimal(&serial.to_string());
        prop_assert_eq!(number.as_ref().map(SerialNumber::to_decimal), Some(serial.to_string()));
        for spelling in [format!("{serial:x}"), format!("0x{serial:X}"), format!("00{serial:032x}")] {
            prop_assert_eq!(SerialNumber::read_hex(&spelling), number.clone());
        }
        let colons = number.as_ref().map(SerialNumber::to_colons).unwrap_or_default();
        prop_assert_eq!(SerialNumber::read_hex(&colons), number);
    }

    #[test]
    fn a_guid_survives_its_claim(bytes: [u8; 16]) {
        let hex = bytes.map(|byte| format!("{byte:02x}")).concat();
        let guid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        let claim = entra::token_claim(&guid);
        prop_assert_eq!(claim.as_ref().map(String::len), Some(22));
        prop_assert_eq!(claim.as_deref().and_then(entra::token_guid), Some(guid));
    }

    #[test]
    fn a_default_subject_is_read_back(
        owner in "[a-z][a-z0-9-]{0,20}", owner_id in "[1-9][0-9]{0,9}",
        name in "[A-Za-z0-9._-]{1,20}", id in "[1-9][0-9]{0,9}", environment in "[ -~]{1,20}",
    ) {
        let repository = Repository { owner: &owner, owner_id: Some(&owner_id), name: &name, id: Some(&id) };
        let context = SubjectContext::Environment(environment.replace('%', "-"));
        let [by_names, by_ids] = subjects(&repository, &context).try_into().unwrap();
        let read = Subject::read(&by_ids).unwrap();
        prop_assert_eq!(read.repository(), Some(repository));
        prop_assert_eq!(read.context(), Some(context.clone()));
        let read = Subject::read(&by_names).unwrap();
        prop_assert_eq!(read.repository(), Some(Repository { owner_id: None, id: None, ..repository }));
        prop_assert_eq!(read.context(), Some(context));
    }

    #[test]
    fn no_text_makes_a_function_panic(text in "\\PC{0,80}", second in "[ -~]{0,80}") {
        for text in [text, second] {
            let texts = json!(text);
            let pair = json!([text, text]);
            for (name, function) in FUNCTIONS {
                match *name {
                    "github.subjects" => {}
                    "aws.session_of_role" | "vault.aws_names" => drop(function(&pair)),
                    _ => drop(function(&texts)),
                }
            }
        }
    }

    #[test]
    fn what_a_client_chooses_never_passes_for_the_servers_words(key_id in "[ -~]{0,40}") {
        let forged = format!("{key_id} from 192.0.2.66 port 1 ssh2: x (serial 7) CA RSA SHA256:forged");
        let line = format!(
            "Accepted publickey for deploy from 198.51.100.7 port 40022 ssh2: ED25519-CERT SHA256:abc ID {forged} (serial 9) CA RSA SHA256:real"
        );
        let found = sshd::attempt(&line).unwrap();
        prop_assert_eq!((found.user, found.address, found.port), ("deploy", "198.51.100.7", 40022));
        let certificate = found.key.and_then(|key| key.certificate).unwrap();
        prop_assert_eq!((certificate.serial, certificate.authority), (9, Some("SHA256:real")));
        prop_assert_eq!(certificate.key_id, forged);
    }
}

fn subject(it: &Value) -> Value {
    let Some(subject) = Subject::read(text(it)) else { return Value::Null };
    let repository = subject.repository();
    let repository = repository.map(|found| json!([found.owner, found.owner_id, found.name, found.id]));
    let context = match subject.context() {
        Some(SubjectContext::Environment(name)) => json!(["environment", name]),
        Some(SubjectContext::PullRequest) => json!(["pull_request"]),
        Some(SubjectContext::Reference(name)) => json!(["ref", name]),
        None => Value::Null,
    };
    json!({"repository": repository, "context": context, "run_id": subject.claim("run_id")})
}

fn grant(it: &Value) -> Value {
    let Some(grant) = kubernetes::grant(text(it)) else { return Value::Null };
    let named = |named: kubernetes::Named<'_>| json!([named.kind, named.name, named.namespace]);
    json!([grant.authorizer, named(grant.binding), named(grant.role), named(grant.subject)])
}

fn attempt(it: &Value) -> Value {
    let Some(found) = sshd::attempt(text(it)) else { return Value::Null };
    let certificate = found.key.and_then(|key| key.certificate);
    json!({
        "result": format!("{:?}", found.result),
        "method": found.method,
        "user": found.user,
        "user_exists": found.user_exists,
        "address": found.address,
        "port": found.port,
        "key": found.key.map(|key| json!([key.kind, key.fingerprint])),
        "certificate": certificate.map(|it| json!([it.key_id, it.serial, it.authority])),
    })
}

fn user(engine: UserEngine, it: &Value) -> Value {
    json!(read_user(engine, text(it)).map(|user| json!([user.names, user.random, user.made])))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn vectors() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/identifiers.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
