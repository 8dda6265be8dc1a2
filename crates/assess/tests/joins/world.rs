//! Small worlds of events, made up at random from few names, so that joins, twins, candidates and cycles are common.
//!
//! Events list the keys that a source lists, parents included, and nothing else that joins do not read.

use ascribe_model::{
    Api, Credential, CredentialClass, Effect, EffectKind, Event, EventId, EventTime, Form, Identity,
    IdentityKind, Key, KeyKind, KeyRef, Native, Origin, Outcome, Role, SourceRef, Status, TimeBasis,
    Timestamp, Trust, Verb,
};
use proptest::prelude::*;

pub const ACCESS_KEY: &str = "aws.access_key";

/// Names of one kind that a world uses.
const NAMES: u8 = 5;

/// One event, in few words.
#[derive(Clone, Debug)]
pub enum Act {
    /// A credential is used, in a session that began at a moment.
    Use { credential: u8, session: Option<(u8, i64)> },
    /// A credential is issued to a caller, perhaps without its id, perhaps in two copies, perhaps for a machine.
    Issue {
        caller: Caller,
        credential: Option<u8>,
        session: u8,
        copy_of: Option<u8>,
        machine: Option<(u8, Trust)>,
    },
    /// A credential is presented to another system.
    Present { credential: u8 },
    /// A certificate is asked for.
    Ask { caller: Caller, request: u8, status: Status },
    /// A certificate is issued on a request.
    Sign { request: u8, certificate: u8 },
    /// An account signs in to another system, by whose clock the second is.
    SignIn { account: u8, token: u8 },
    /// A token of an account is reviewed.
    Review { account: u8, token: u8 },
}

/// The two streams of a world, sorted.
pub const STREAMS: [&str; 2] = ["elsewhere", "made_up"];

/// Who called.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// The bearer of an access key.
    Bearer(u8),
    /// Somebody without one.
    Nameless(u8),
}

/// Acts with the second in which each happened; none where the record states no time.
pub fn worlds() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((act(), prop::option::weighted(0.9, 0i64..4)), 1..14)
        .prop_map(|acts| acts.iter().map(|(act, at)| event(act, *at)).collect())
}

fn act() -> impl Strategy<Value = Act> {
    let name = 0..NAMES;
    let caller =
        prop_oneof![3 => name.clone().prop_map(Caller::Bearer), 1 => name.clone().prop_map(Caller::Nameless)];
    let trust = prop_oneof![Just(Trust::IssuerAsserted), Just(Trust::SelfAsserted)];
    let status = prop_oneof![3 => Just(Status::Success), 1 => Just(Status::Failure)];
    prop_oneof![
        3 => (name.clone(), prop::option::of((0..2u8, 0i64..4)))
            .prop_map(|(credential, session)| Act::Use { credential, session }),
        4 => (caller.clone(), prop::option::weighted(0.7, name.clone()), 0..2u8, prop::option::weighted(0.3, 0..2u8),
              prop::option::weighted(0.3, (0..2u8, trust)))
            .prop_map(|(caller, credential, session, copy_of, machine)| {
                Act::Issue { caller, credential, session, copy_of, machine }
            }),
        1 => name.clone().prop_map(|credential| Act::Present { credential }),
        1 => (caller, 0..2u8, status).prop_map(|(caller, request, status)| Act::Ask { caller, request, status }),
        1 => (0..2u8, name.clone()).prop_map(|(request, certificate)| Act::Sign { request, certificate }),
        1 => (0..2u8, name.clone()).prop_map(|(account, token)| Act::SignIn { account, token }),
        2 => (0..2u8, name).prop_map(|(account, token)| Act::Review { account, token }),
    ]
}

/// An event that shares no name with any world.
pub fn unrelated() -> Event {
    event(
        &Act::Issue {
            caller: Caller::Bearer(200),
            credential: Some(201),
            session: 202,
            copy_of: None,
            machine: None,
        },
        Some(1),
    )
}

/// The event of an act.
pub fn event(act: &Act, second: Option<i64>) -> Event {
    let at = second.and_then(Timestamp::from_seconds);
    let mut event = blank(at);
    match act {
        Act::Use { credential, session } => {
            use_key(&mut event, *credential);
            if let Some((name, began)) = session {
                let key = key(Role::Used, "aws.role_session", &format!("AROA{name}:s"));
                event.keys.push(Key { at: Timestamp::from_seconds(*began), ..key });
            }
        }
        Act::Issue { caller, credential, session, copy_of, machine } => {
            call(&mut event, *caller);
            let issued = key(Role::Issued, "aws.role_session", &format!("AROA{session}:s"));
            event.keys.push(Key { at, ..issued });
            let issued = credential.map(|name| access_key(name, Role::Issued));
            event.effects.push(effect(issued.as_ref().map(Key::to_ref)));
            event.keys.extend(issued);
            event.keys.extend(copy_of.map(|name| key(Role::Native, "aws.shared_event", &format!("E{name}"))));
            event.keys.extend(machine.map(|(name, trust)| Key {
                trust,
                ..key(Role::Workload, "aws.instance", &format!("i-{name}"))
            }));
            event.verb = Verb::Delegate;
        }
        Act::Present { credential } => {
            event.keys.push(access_key(*credential, Role::Presented));
            act_as(&mut event, "k8s.user", &format!("bearer-{credential}"));
        }
        Act::Ask { caller, request, status } => {
            call(&mut event, *caller);
            event.keys.push(key(Role::Step, "k8s.csr", &format!("csr-{request}")));
            event.verb = Verb::Delegate;
            event.outcome.status = *status;
        }
        Act::Sign { request, certificate } => {
            act_as(&mut event, "k8s.user", "signer");
            event.keys.push(key(Role::Step, "k8s.csr", &format!("csr-{request}")));
            let issued = key(Role::Issued, "k8s.credential", &format!("X509SHA256={certificate}"));
            event.effects.push(effect(Some(issued.to_ref())));
            event.keys.push(issued);
            event.verb = Verb::Update;
        }
        Act::SignIn { account, token } => {
            STREAMS[0].clone_into(&mut event.source.kind);
            act_as(&mut event, "vault.alias", &format!("account-{account}"));
            let issued = key(Role::Issued, "vault.accessor", &format!("T{token}"));
            event.effects.push(effect(Some(issued.to_ref())));
            event.keys.extend([issued, key(Role::Presented, "k8s.uid", &format!("U{account}"))]);
            event.verb = Verb::Auth;
        }
        Act::Review { account, token } => {
            act_as(&mut event, "k8s.user", "reviewer");
            event.keys.push(key(Role::Resource, "k8s.uid", &format!("U{account}")));
            event.keys.push(key(Role::Resource, "k8s.credential", &format!("JTI={token}")));
            event.verb = Verb::Auth;
        }
    }
    with_id(event.with_parents())
}

/// The event with the id that its content gives.
pub fn with_id(mut event: Event) -> Event {
    event.id = EventId([0; 32]);
    let content = format!("{event:?}");
    let mut id = [0; 32];
    for (lane, chunk) in id.chunks_exact_mut(8).enumerate() {
        let seed = 0xcbf2_9ce4_8422_2325_u64 ^ lane as u64;
        let hash =
            content.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        chunk.copy_from_slice(&hash.to_be_bytes());
    }
    event.id = EventId(id);
    event
}

fn call(event: &mut Event, caller: Caller) {
    match caller {
        Caller::Bearer(name) => use_key(event, name),
        Caller::Nameless(name) => act_as(event, "aws.principal", &format!("AIDA{name}")),
    }
}

/// Keys with an even number are long-lived.
fn use_key(event: &mut Event, name: u8) {
    let used = access_key(name, Role::Used);
    let class = if name.is_multiple_of(2) { CredentialClass::LongLived } else { CredentialClass::Temporary };
    event.credential = Some(Credential { uid: used.to_ref(), class });
    event.keys.push(used);
    act_as(event, "aws.principal", &format!("AIDA{name}"));
}

fn act_as(event: &mut Event, kind: &'static str, value: &str) {
    let actor = key(Role::Actor, kind, value);
    event.actor = Identity { kind: IdentityKind::User, uid: actor.to_ref(), ..event.actor.clone() };
    event.keys.push(actor);
}

fn access_key(name: u8, role: Role) -> Key {
    key(role, ACCESS_KEY, &format!("K{name}"))
}

fn key(role: Role, kind: &'static str, value: &str) -> Key {
    Key {
        role,
        kind: KeyKind::new(kind),
        scope: String::new(),
        value: value.to_owned(),
        form: Form::Plain,
        trust: Trust::VerifierObserved,
        at: None,
    }
}

fn effect(issued: Option<KeyRef>) -> Effect {
    let credential = issued.map(|uid| Credential { uid, class: CredentialClass::Unknown });
    Effect {
        kind: EffectKind::Issue,
        credential,
        selector: None,
        issued_before: None,
        subject: None,
        expires: None,
        ttl_seconds: None,
    }
}

fn blank(at: Option<Timestamp>) -> Event {
    let text = String::new;
    let basis = if at.is_some() { TimeBasis::Stated } else { TimeBasis::Missing };
    let uid = KeyRef { kind: KeyKind::new("aws.principal"), scope: text(), value: text() };
    Event {
        id: EventId([0; 32]),
        source: SourceRef { kind: STREAMS[1].to_owned(), scope: "prod".to_owned(), partition: None },
        native: Native::default(),
        time: EventTime { at, end: None, precision_ns: 1_000_000_000, basis },
        verb: Verb::Read,
        api: Api { operation: "Act".to_owned(), service: text() },
        outcome: Outcome { status: Status::Success, status_code: None, status_detail: None },
        actor: Identity {
            kind: IdentityKind::User,
            uid,
            name: None,
            session_name: None,
            alt_names: Vec::new(),
        },
        on_behalf_of: Vec::new(),
        credential: None,
        effects: Vec::new(),
        authorities: Vec::new(),
        resources: Vec::new(),
        keys: Vec::new(),
        src_endpoint: Origin::default(),
        coverage_hints: Vec::new(),
    }
}
