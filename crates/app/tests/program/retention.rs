//! Retention from the policy to the tombstone: what is held stays, what is not approved stays, and what is destroyed is
//! nowhere.

use std::fs;

use ascribe_ledger::{KeyPair, LedgerPaths, Reader, Tombstone, VerifierKey};
use serde_json::Value;

use crate::given::{Given, files_below, lines, record};

const KEY: &str = "AKIAEXAMPLEDEPLOY001";
const OTHER_KEY: &str = "AKIAEXAMPLEOTHER0001";

/// A record of somebody else.
fn other(number: usize) -> String {
    record(number)
        .replace(KEY, OTHER_KEY)
        .replace("AIDAEXAMPLEDEPLOY0001", "AIDAEXAMPLEOTHER0001")
        .replace("deploy", "other")
}

fn evidence() -> Given {
    let given = Given::evidence();
    given.ingest(&[&given.input("deploy.json", &lines(1, 4))]);
    given.ingest(&[&given.input("other.json", format!("{}\n{}\n", other(11), other(12)).as_bytes())]);
    assert_eq!(given.run(&["ledger", "seal"]).code, 0);
    given
}

fn reader(given: &Given) -> Reader {
    let key = fs::read_to_string(given.root().join("keys/ledger.vkey")).unwrap();
    let paths = LedgerPaths::new(given.root().join("ledger"), given.root().join("anchor"));
    Reader::open(&paths, &VerifierKey::parse(key.trim()).unwrap()).unwrap()
}

/// Whether a text is in any file as it stands, or in the captured bytes of any entry. What a person typed (decisions, the
/// policy) is left out.
fn is_anywhere(given: &Given, needle: &str) -> bool {
    let contains = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    let reader = reader(given);
    let captured = reader.entries(0..reader.size()).any(|entry| {
        let entry = entry.unwrap();
        let is_evidence = !matches!(
            entry.envelope().kind,
            ascribe_ledger::Kind::Decision | ascribe_ledger::Kind::Tombstone | ascribe_ledger::Kind::Config
        );
        is_evidence && entry.captured().is_some_and(contains)
    });
    let files = files_below(&given.root()).into_iter();
    // Blocks of segments are compressed; what is in them was looked at above. The access ledger has what was typed.
    let raw = files.filter(|path| {
        let name = path.to_string_lossy();
        !name.ends_with(".seg") && !name.contains("/access/") && !name.ends_with("retention.toml")
    });
    captured || raw.into_iter().any(|path| contains(&fs::read(path).unwrap()))
}

fn disposals(given: &Given) -> Vec<Value> {
    given.json(&["retention"])["disposals"].as_array().unwrap().clone()
}

fn refused(given: &Given, arguments: &[&str], reason: &str) {
    let ran = given.run(arguments);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains(reason) && ran.err.contains("hint"), "{}", ran.err);
}

/// The disposal is over, and its tombstone says by whose authority.
fn assert_on_record(given: &Given, disposal: &str, tombstone: u64) {
    refused(given, &["retention", "dispose", disposal], "was carried out or called off");
    refused(given, &["retention", "propose"], "nothing is due");
    let tombstone = reader(given).entry(tombstone).unwrap();
    let tombstone = Tombstone::parse(tombstone.captured().unwrap()).unwrap();
    let said = |name: &str| {
        tombstone.statements.iter().filter(|it| it.0 == name).map(|it| it.1.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (said("rule"), said("approver")),
        (vec!["trail".to_owned()], vec!["alice".to_owned(), "bob".to_owned()])
    );
}

#[test]
fn a_disposal_by_rule_is_proposed_approved_by_two_and_carried_out() {
    let given = evidence();
    let approvers = ["alice", "bob", "mallory"].map(|name| {
        let key = KeyPair::generate(name).unwrap();
        let path = given.root().join(format!("{name}.key"));
        key.save(&path).unwrap();
        (path.to_string_lossy().into_owned(), key.verifier().to_string())
    });
    let [(alice, alice_key), (bob, bob_key), (mallory, _)] = &approvers;
    let policy = format!(
        "version = 1\napprovers = [{alice_key:?}, {bob_key:?}]\n[[rule]]\nname = \"trail\"\n\
         source = \"aws_cloudtrail\"\nidentity = {KEY:?}\nkeep = \"0d\"\napprovals = 2\n"
    );
    fs::write(given.root().join("retention.toml"), policy).unwrap();
    let kept = given.json(&["who", OTHER_KEY]);
    let proves = given.run(&["ledger", "prove", OTHER_KEY]).code;
    assert!(is_anywhere(&given, KEY));

    given.json(&["retention", "hold", "case-1", "--reason", "an inquiry", "--owner", "legal", "--name", KEY]);
    let state = given.json(&["retention"]);
    assert_eq!((&state["rules"][0]["due"], &state["rules"][0]["due but held"]), (&"3".into(), &"3".into()));
    assert_eq!((&state["holds"][0]["case"], &state["holds"][0]["entries"]), (&"case-1".into(), &"3".into()));
    refused(&given, &["retention", "propose"], "a hold keeps all 3 entries");
    refused(&given, &["retention", "release", "case-2", "--reason", "none"], "no open hold of case `case-2`");
    given.json(&["retention", "release", "case-1", "--reason", "it is closed"]);

    refused(&given, &["retention", "propose", "--rule", "absent"], "there is no rule `absent`");
    let proposed = given.json(&["retention", "propose"]);
    let disposal = &proposed["disposals"][0];
    assert_eq!(disposal["disposal"]["entries"], 3, "{proposed:#}");
    let leaf = disposal["leaf"].to_string();
    refused(&given, &["retention", "dispose", &leaf], "needs 2 more approvals");
    refused(&given, &["retention", "approve", &leaf], "approved by signatures of alice, bob");
    refused(&given, &["retention", "approve", &leaf, "--key", mallory], "`mallory` is none of those");
    given.json(&["retention", "approve", &leaf, "--key", alice]);
    refused(&given, &["retention", "approve", &leaf, "--key", alice], "approved the disposal at leaf");
    refused(&given, &["retention", "dispose", &leaf], "needs 1 more approval");
    given.json(&["retention", "approve", &leaf, "--key", bob]);
    assert!(is_anywhere(&given, KEY), "nothing is erased before it is carried out");
    let done = given.json(&["retention", "dispose", &leaf]);
    assert_eq!(
        (&done["entries"], &done["held"]),
        (&4.into(), &0.into()),
        "three records and a digest: {done:#}"
    );

    assert!(!is_anywhere(&given, KEY));
    assert_eq!(given.run(&["who", KEY]).code, 5);
    let after = given.json(&["who", OTHER_KEY]);
    for part in ["verdict", "statement", "claims", "edges", "details"] {
        assert_eq!(after["body"][part], kept["body"][part], "{part}");
    }
    assert!(after["body"]["gaps"].to_string().contains("what 4 entries of the ledger said"), "{after:#}");
    assert_eq!(given.run(&["ledger", "prove", OTHER_KEY]).code, proves, "its proofs stay");
    let verified = given.json(&["verify"]);
    assert_eq!(
        (&verified["valid"], &verified["checked"]["erased"]),
        (&true.into(), &4.into()),
        "{verified:#}"
    );
    let row = disposals(&given).remove(0);
    assert_eq!((&row["approved by"], &row["leaves erased"]), (&"alice, bob".into(), &"4".into()), "{row:#}");
    assert_on_record(&given, &leaf, done["tombstone"].as_u64().unwrap());
    // What is derived is what deriving it again gives.
    let digests = given.json(&["rebuild"])["digests"].clone();
    assert_eq!(given.json(&["rebuild"])["digests"], digests);
    // It is not recognised any more, so it comes back; the rule is for it again.
    given.ingest(&[&given.input("deploy.json", &lines(1, 4))]);
    assert_eq!(given.json(&["retention"])["rules"][0]["due"], "3");
}

#[test]
fn an_erasure_on_request_takes_sealed_values_along() {
    let given = Given::evidence();
    let policy = "version = 1\n[[rule]]\nname = \"agents\"\nfields = [\"userAgent\"]\naction = \"seal\"\n";
    fs::write(given.root().join("capture.toml"), policy).unwrap();
    let agent = |record: String, agent: &str| record.replace("aws-cli/2", agent);
    let input = format!("{}\n{}\n", agent(record(1), "agent/deploy"), agent(other(2), "agent/other"));
    given.ingest(&[&given.input("both.json", input.as_bytes())]);
    let sealed = || fs::read(given.root().join("sealed/00000000.sealed")).unwrap();
    let before = sealed();
    let of_other = given.json(&["timeline", OTHER_KEY]);
    let event = of_other["body"]["details"]["timeline"]["rows"].as_array().unwrap();
    let event = event.iter().find_map(|row| row["event"]["event"].as_str()).unwrap().to_owned();
    let proposed =
        given.json(&["retention", "propose", "--erase", KEY, "--reason", "asked for by the person"]);
    let leaf = proposed["disposals"][0]["leaf"].to_string();
    refused(&given, &["retention", "dispose", &leaf], "needs 1 more approval");
    given.json(&["retention", "approve", &leaf]);
    let done = given.json(&["retention", "dispose", &leaf]);
    assert_eq!((&done["entries"], &done["sealed_values"]), (&2.into(), &1.into()), "{done:#}");
    let after = sealed();
    assert!(after.len() < before.len());
    assert!(!is_anywhere(&given, KEY));
    let shown = given.json(&["redactions", "--unseal", &event, "userAgent"]);
    assert_eq!(shown["value"], "agent/other", "the other value is still there");
    given.assert_valid();
    refused(
        &given,
        &["retention", "propose", "--erase", KEY, "--reason", "once more"],
        "no entry that still has its bytes names it",
    );
}

#[test]
fn an_erasure_that_was_cut_off_is_gone_on_with() {
    let given = evidence();
    let proposed = given.json(&["retention", "propose", "--erase", KEY, "--reason", "asked for"]);
    let leaf = proposed["disposals"][0]["leaf"].as_u64().unwrap();
    given.json(&["retention", "approve", &leaf.to_string()]);
    {
        let paths = LedgerPaths::new(given.root().join("ledger"), given.root().join("anchor"));
        let key = KeyPair::load(&given.root().join("keys/ledger.key")).unwrap();
        let (mut ledger, _) = ascribe_ledger::Ledger::open(&paths, key).unwrap();
        let range = &proposed["disposals"][0]["disposal"]["leaves"][0];
        let leaves = range[0].as_u64().unwrap()..range[1].as_u64().unwrap();
        let statements = vec![("disposal".to_owned(), leaf.to_string())];
        ledger.begin_erasure(Tombstone::of(leaves, statements), 1).unwrap();
    }
    given.assert_valid();
    assert!(given.json(&["retention"])["under_way"].is_u64());
    assert!(given.run(&["doctor"]).out.contains("retention dispose --resume"));
    assert!(is_anywhere(&given, KEY));
    let other = given.json(&["retention", "propose", "--erase", OTHER_KEY, "--reason", "asked for"]);
    let other = other["disposals"][0]["leaf"].to_string();
    given.json(&["retention", "approve", &other]);
    refused(&given, &["retention", "dispose", &other], "an erasure was begun");
    let done = given.json(&["retention", "dispose", "--resume"]);
    assert_eq!(done["entries"], 3, "{done:#}");
    assert!(given.json(&["retention"])["under_way"].is_null());
    assert!(!is_anywhere(&given, KEY));
    given.assert_valid();
    assert_eq!(given.run(&["retention", "dispose", "--resume"]).code, 0, "nothing is under way");
    assert_eq!(given.run(&["retention", "dispose", &other]).code, 0);
}

#[test]
fn a_simulation_counts_what_could_no_longer_be_answered_and_changes_nothing() {
    let given = evidence();
    let lost = |simulated: &Value, command: &str, of: &str| {
        let questions = simulated["questions"].as_array().unwrap();
        let question = questions.iter().find(|it| it["command"] == command && it["of"] == of).unwrap();
        (question["now"].as_u64().unwrap(), question["then"].as_u64().unwrap())
    };
    let before = given.json(&["verify"])["root"].clone();
    let all = given.json(&["retention", "simulate", "--keep", "0d"]);
    assert_eq!((&all["records"], &all["touched"]), (&5.into(), &5.into()), "{all:#}");
    assert_eq!(lost(&all, "who", "credential"), (2, 0));
    assert_eq!(lost(&all, "timeline", "identity"), (2, 0));
    let none = given.json(&["retention", "simulate", "--keep", "10000d"]);
    assert_eq!((&none["touched"], lost(&none, "who", "credential")), (&0.into(), (2, 2)));
    let field = given.json(&["retention", "simulate", "--drop", "userIdentity.accessKeyId"]);
    assert_eq!(lost(&field, "who", "credential"), (2, 0), "{field:#}");
    assert_eq!(lost(&field, "who", "identity"), (2, 2));
    let address =
        given.json(&["retention", "simulate", "--drop", "sourceIPAddress", "--source", "aws_cloudtrail"]);
    assert_eq!((&address["touched"], lost(&address, "who", "credential")), (&5.into(), (2, 2)));
    given.json(&["retention", "hold", "c", "--reason", "r", "--owner", "o", "--name", KEY]);
    let held = given.json(&["retention", "simulate", "--keep", "0d"]);
    assert_eq!((&held["held"], lost(&held, "who", "credential")), (&3.into(), (2, 1)));
    assert_ne!(given.json(&["verify"])["root"], before, "the hold is on record");
    let ran = given.run(&["retention", "simulate"]);
    assert!(ran.code == 2 && ran.err.contains("--keep <TIME>|--drop <FIELD>"), "{}", ran.err);
}
