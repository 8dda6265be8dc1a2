//! Generated events in the shape of a cloud provider's trail, a function of their number alone.

use ascribe_model::{
    Address, Api, Authority, AuthorityBasis, AuthorityKind, Credential, CredentialClass, Decision, Effect,
    EffectKind, Event, EventId, EventTime, Form, Identity, IdentityKind, Key, KeyKind, KeyRef, Native,
    Origin, Outcome, Resource, ResourceRole, Role, SourceRef, Status, TimeBasis, Timestamp, Trust, Verb,
};
use sha2::{Digest, Sha256};

const ACCESS_KEY: KeyKind = KeyKind::new("aws.access_key");
const ARN: KeyKind = KeyKind::new("aws.arn");
const EVENT: KeyKind = KeyKind::new("aws.event");
const REQUEST: KeyKind = KeyKind::new("aws.request");
const INSTANCE: KeyKind = KeyKind::new("aws.instance");
const OPERATIONS: [(&str, &str, Verb); 6] = [
    ("s3.amazonaws.com", "GetObject", Verb::Read),
    ("s3.amazonaws.com", "PutObject", Verb::Create),
    ("kms.amazonaws.com", "Decrypt", Verb::SecretRead),
    ("ec2.amazonaws.com", "DescribeInstances", Verb::Read),
    ("iam.amazonaws.com", "AttachRolePolicy", Verb::Admin),
    ("sts.amazonaws.com", "AssumeRole", Verb::Delegate),
];

/// The event with this number. Numbers follow each other in time, about 20 a second.
pub fn event(number: u64) -> Event {
    let draw = Draw(number);
    let account = format!("{:012}", 100_000_000_000 + draw.below(1, 4));
    let (service, operation, verb) = OPERATIONS[draw.below(2, 6) as usize];
    let role = draw.below(3, 40);
    let session = number / 2_000 * 40 + role;
    let arn = format!("arn:aws:iam::{account}:role/service-{role}");
    let session_name = format!("deploy-{role}");
    let access_key = key(&ACCESS_KEY, "", format!("ASIA{:016X}", Draw(session).number(4)));
    let object = format!("arn:aws:s3:::bucket-{}/data/{:08}", draw.below(5, 30), draw.below(6, 20_000));
    let time =
        Timestamp::from_nanoseconds(1_772_000_000_000_000_000 + (number / 20).cast_signed() * 1_000_000_000);
    let denied = draw.below(7, 25) == 0;
    let mut event = Event {
        id: EventId(Sha256::digest(number.to_le_bytes()).into()),
        source: SourceRef {
            kind: "aws_cloudtrail".into(),
            scope: account,
            partition: Some(["us-east-1", "eu-central-1"][draw.below(8, 2) as usize].into()),
        },
        native: Native {
            uid: Some(draw.uuid(9)),
            request_uid: Some(draw.uuid(10)),
            correlation_uid: None,
            stage: None,
        },
        time: EventTime {
            at: (draw.below(11, 500) != 0).then_some(time),
            end: None,
            precision_ns: 1_000_000_000,
            basis: TimeBasis::Stated,
        },
        verb,
        api: Api { operation: operation.into(), service: service.into() },
        outcome: Outcome {
            status: if denied { Status::Denied } else { Status::Success },
            status_code: denied.then(|| "AccessDenied".into()),
            status_detail: denied
                .then(|| format!("role service-{role} is not authorized to perform {operation}")),
        },
        actor: Identity {
            kind: IdentityKind::Role,
            uid: key(&ARN, "", arn),
            name: Some(format!("service-{role}")),
            session_name: Some(session_name),
            alt_names: vec![],
        },
        on_behalf_of: vec![],
        credential: Some(Credential { uid: access_key, class: CredentialClass::Temporary }),
        effects: vec![],
        authorities: vec![],
        resources: vec![Resource {
            kind: "AWS::S3::Object".into(),
            uid: key(&ARN, "", object),
            role: ResourceRole::Target,
        }],
        keys: vec![],
        src_endpoint: origin(draw),
        coverage_hints: vec![],
    };
    if operation == "AssumeRole" {
        hand_out(&mut event, draw, time);
    }
    event.keys.extend(listed(&event, draw));
    event
}

fn origin(draw: Draw) -> Origin {
    let ip = format!("10.0.{}.{}", draw.below(12, 8), draw.below(13, 250));
    Origin {
        addresses: vec![Address { ip, observed: true }],
        via: None,
        user_agent: Some(format!("aws-sdk-go/1.44.{} (go1.22; linux; amd64)", draw.below(14, 12))),
        endpoint_uid: None,
    }
}

fn hand_out(event: &mut Event, draw: Draw, time: Timestamp) {
    let issued = key(&ACCESS_KEY, "", format!("ASIA{:016X}", draw.number(15)));
    event.effects.push(Effect {
        kind: EffectKind::Issue,
        credential: Some(Credential { uid: issued.clone(), class: CredentialClass::Temporary }),
        selector: None,
        issued_before: None,
        subject: Some(event.actor.clone()),
        expires: Some(time.plus_nanoseconds(3_600_000_000_000)),
        ttl_seconds: Some(3_600),
    });
    event.authorities.push(Authority {
        kind: AuthorityKind::Role,
        uid: event.actor.uid.value.clone(),
        decision: Decision::Allow,
        basis: AuthorityBasis::Recorded,
        detail: None,
    });
    event.keys.push(listed_key(Role::Issued, &issued));
}

fn listed(event: &Event, draw: Draw) -> Vec<Key> {
    let mut keys = vec![listed_key(Role::Actor, &event.actor.uid)];
    keys.extend(event.credential.iter().map(|credential| listed_key(Role::Used, &credential.uid)));
    keys.extend(event.resources.iter().map(|resource| listed_key(Role::Resource, &resource.uid)));
    let native = [(EVENT, &event.native.uid), (REQUEST, &event.native.request_uid)];
    for (kind, uid) in native {
        keys.extend(
            uid.iter().map(|uid| listed_key(Role::Native, &key(&kind, &event.source.scope, uid.clone()))),
        );
    }
    if draw.below(16, 3) == 0 {
        let instance = key(&INSTANCE, &event.source.scope, format!("i-{:017x}", draw.below(17, 300)));
        keys.push(listed_key(Role::Workload, &instance));
    }
    keys
}

fn key(kind: &KeyKind, scope: &str, value: String) -> KeyRef {
    KeyRef { kind: kind.clone(), scope: scope.to_owned(), value }
}

fn listed_key(role: Role, uid: &KeyRef) -> Key {
    Key {
        role,
        kind: uid.kind.clone(),
        scope: uid.scope.clone(),
        value: uid.value.clone(),
        form: Form::Plain,
        trust: Trust::VerifierObserved,
        at: None,
    }
}

/// Numbers that look random and follow from a seed.
#[derive(Clone, Copy)]
struct Draw(u64);

impl Draw {
    /// The generator splitmix64.
    fn number(self, what: u64) -> u64 {
        let mut z = self.0.wrapping_mul(64).wrapping_add(what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(self, what: u64, bound: u64) -> u64 {
        self.number(what) % bound
    }

    fn uuid(self, what: u64) -> String {
        let (high, low) = (self.number(what), self.number(what + 100));
        let digits = format!("{high:016x}{low:016x}");
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }
}
