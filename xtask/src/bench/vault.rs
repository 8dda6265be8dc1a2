//! A Vault cluster that leaves lines of its audit device: workloads log in with the tokens of their service accounts,
//! read secrets, take leases on database users, and renew both. Times only rise.
//!
//! Each operation is a request and a response, in the members that an audit device writes, with HMACs in
//! place of tokens and accessors. Knows nothing of files, nor of how Ascribe reads them.

use std::collections::BTreeMap;

use super::cloudtrail::time;
use super::json_lines::Lines;
use super::random::Random;

const WORKLOADS: u64 = 40;
const SECRETS_PER_NAMESPACE: u64 = 60;
/// Live tokens. With one login in 25 operations a token is used about 24 times.
const TOKENS_MAX: usize = 200;
/// Leases that may be renewed.
const LEASES_MAX: usize = 200;
const TOKEN_SECONDS: i64 = 3_600;

const NAMESPACES: [&str; 4] = ["payments", "orders", "search", "platform"];
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What has a service account, and a role in Vault for it.
#[derive(Debug)]
struct Workload {
    name: String,
    namespace: &'static str,
    uid: String,
    entity: String,
    address: String,
}

/// What a login gave.
#[derive(Debug, Clone)]
struct Token {
    workload: usize,
    /// As the audit device hashes it.
    hash: String,
    accessor: String,
    issued_ms: i64,
}

#[derive(Debug, Clone)]
struct Lease {
    id: String,
    token: Token,
}

/// A secret of the key-value store. It has the same hash whoever reads it.
#[derive(Debug)]
struct Secret {
    path: String,
    /// The member `data` of a response.
    data: String,
}

/// One operation on its way into two lines.
struct Exchange {
    operation: &'static str,
    mount: Mount,
    path: String,
    /// The member `data` of the request, with the comma in front of it; empty where there is none.
    data: String,
    /// Members of the response, with commas in front.
    response: String,
    granting: Granting,
}

/// Which policy lets a request pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Granting {
    /// Logging in needs none.
    Unasked,
    Policy,
    Refused,
}

/// Where an engine or method is mounted.
#[derive(Clone, Copy)]
struct Mount {
    kind: &'static str,
    accessor: &'static str,
    class: &'static str,
}

const KUBERNETES: Mount = Mount { kind: "kubernetes", accessor: "auth_kubernetes_5f1c0a9e", class: "auth" };
const TOKEN: Mount = Mount { kind: "token", accessor: "auth_token_4b7e11d2", class: "auth" };
const SECRETS: Mount = Mount { kind: "kv", accessor: "kv_9a40c3f7", class: "secret" };
const DATABASE: Mount = Mount { kind: "database", accessor: "database_31d86b05", class: "secret" };
const SYSTEM: Mount = Mount { kind: "system", accessor: "system_c2ee7a18", class: "secret" };

/// The cluster and what is alive in it.
#[derive(Debug)]
pub struct Vault {
    random: Random,
    workloads: Vec<Workload>,
    secrets: BTreeMap<&'static str, Vec<Secret>>,
    tokens: Vec<Token>,
    leases: Vec<Lease>,
    /// Milliseconds since the Unix epoch; rises with each line.
    clock_ms: i64,
    /// The response to the request that was written last.
    response: Option<String>,
}

impl Vault {
    /// A cluster whose clock starts at `start_ms` (milliseconds since the Unix epoch).
    pub fn new(seed: u64, start_ms: i64) -> Self {
        let mut random = Random::new(seed);
        let workloads = (0..WORKLOADS).map(|number| Workload::new(number, &mut random)).collect();
        let mut of = |namespace: &'static str| {
            let secrets =
                (0..SECRETS_PER_NAMESPACE).map(|number| Secret::new(namespace, number, &mut random));
            (namespace, secrets.collect())
        };
        let secrets = NAMESPACES.into_iter().map(&mut of).collect();
        let (tokens, leases) = (Vec::new(), Vec::new());
        Self { random, workloads, secrets, tokens, leases, clock_ms: start_ms, response: None }
    }

    fn log_in(&mut self, out: &mut String) {
        let place = self.random.below(WORKLOADS) as usize;
        let (hash, accessor) = (self.random.hmac(), self.random.hmac());
        let token = Token { workload: place, hash, accessor, issued_ms: self.clock_ms };
        let workload = &self.workloads[place];
        let (jwt, role) = (self.random.hmac(), self.random.hmac());
        let auth = workload.auth(&token, Granting::Unasked);
        let exchange = Exchange {
            operation: "update",
            mount: KUBERNETES,
            path: "auth/kubernetes/login".to_owned(),
            data: format!(r#","data":{{"jwt":"{jwt}","role":"{role}"}}"#),
            response: format!(r#","auth":{{{auth}}}"#),
            granting: Granting::Unasked,
        };
        self.write(&exchange, &token, out);
        replace(&mut self.tokens, token, TOKENS_MAX, &mut self.random);
    }

    fn read_secret(&mut self, token: &Token, out: &mut String) {
        let namespace = self.workloads[token.workload].namespace;
        let granting = if self.random.chance(2) { Granting::Refused } else { Granting::Policy };
        let secret = self.random.pick(&self.secrets[namespace]);
        let exchange = Exchange {
            operation: "read",
            mount: SECRETS,
            path: secret.path.clone(),
            data: String::new(),
            response: format!(r#","data":{}"#, secret.data),
            granting,
        };
        self.write(&exchange, token, out);
    }

    fn lease_user(&mut self, token: &Token, out: &mut String) {
        let namespace = self.workloads[token.workload].namespace;
        let id = format!("database/creds/{namespace}-reader/{}", self.random.letters(LETTERS, 24));
        let (password, user) = (self.random.hmac(), self.random.hmac());
        let exchange = Exchange {
            operation: "read",
            mount: DATABASE,
            path: format!("database/creds/{namespace}-reader"),
            data: String::new(),
            response: format!(
                r#","secret":{{"lease_id":"{id}"}},"data":{{"password":"{password}","username":"{user}"}}"#
            ),
            granting: Granting::Policy,
        };
        self.write(&exchange, token, out);
        replace(&mut self.leases, Lease { id, token: token.clone() }, LEASES_MAX, &mut self.random);
    }

    fn renew_lease(&mut self, lease: &Lease, out: &mut String) {
        let hashed = self.random.hmac();
        let exchange = Exchange {
            operation: "update",
            mount: SYSTEM,
            path: "sys/leases/renew".to_owned(),
            data: format!(r#","data":{{"increment":3600,"lease_id":"{hashed}"}}"#),
            response: format!(r#","secret":{{"lease_id":"{}"}}"#, lease.id),
            granting: Granting::Policy,
        };
        self.write(&exchange, &lease.token, out);
    }

    fn renew_token(&mut self, token: &Token, out: &mut String) {
        let auth = self.workloads[token.workload].auth(token, Granting::Unasked);
        let exchange = Exchange {
            operation: "update",
            mount: TOKEN,
            path: "auth/token/renew-self".to_owned(),
            data: r#","data":{"increment":3600}"#.to_owned(),
            response: format!(r#","auth":{{{auth}}}"#),
            granting: Granting::Policy,
        };
        self.write(&exchange, token, out);
    }

    /// Appends the request to `out` and keeps the response for the next line.
    fn write(&mut self, exchange: &Exchange, token: &Token, out: &mut String) {
        let workload = &self.workloads[token.workload];
        let is_login = exchange.granting == Granting::Unasked;
        let auth = workload.auth(token, exchange.granting);
        let Mount { kind, accessor, class } = exchange.mount;
        // A login has no token yet: its request says nothing about who asks.
        let caller = if is_login {
            String::new()
        } else {
            format!(
                r#","client_id":"{}","client_token":"{}","client_token_accessor":"{}""#,
                workload.entity, token.hash, token.accessor
            )
        };
        let request = format!(
            r#""request":{{"id":"{}"{caller},"operation":"{}","mount_type":"{kind}","mount_accessor":"{accessor}","mount_class":"{class}","namespace":{{"id":"root"}},"path":"{}"{},"remote_address":"{}","remote_port":{}}}"#,
            self.random.uuid(),
            exchange.operation,
            exchange.path,
            exchange.data,
            workload.address,
            32_768 + self.random.below(28_000)
        );
        // A refused request has an error in both lines, and no data in the response.
        let (answer, error) = if exchange.granting == Granting::Refused {
            ("", r#","error":"1 error occurred:\n\t* permission denied\n\n""#)
        } else {
            (exchange.response.as_str(), "")
        };
        let asking = if is_login { r#""token_type":"default""# } else { &auth };
        let moment = self.moment();
        out.push_str(&format!(
            "{{\"time\":\"{moment}\",\"type\":\"request\",\"auth\":{{{asking}}},{request}{error}}}\n"
        ));
        let moment = self.moment();
        self.response = Some(format!(
            "{{\"time\":\"{moment}\",\"type\":\"response\",\"auth\":{{{auth}}},{request},\"response\":{{\"mount_type\":\"{kind}\",\"mount_accessor\":\"{accessor}\",\"mount_class\":\"{class}\"{answer}}}{error}}}\n"
        ));
    }

    fn moment(&mut self) -> String {
        self.clock_ms += 1 + self.random.below(20).cast_signed();
        let nanoseconds = self.random.below(1_000_000);
        let milliseconds = self.clock_ms.rem_euclid(1_000);
        format!("{}.{milliseconds:03}{nanoseconds:06}Z", time(self.clock_ms, "%Y-%m-%dT%H:%M:%S"))
    }
}

impl Lines for Vault {
    fn line(&mut self, out: &mut String) {
        if let Some(response) = self.response.take() {
            out.push_str(&response);
            return;
        }
        if self.tokens.len() < TOKENS_MAX / 10 || self.random.chance(4) {
            return self.log_in(out);
        }
        let token = self.random.pick(&self.tokens).clone();
        match self.random.below(100) {
            0..12 => self.renew_token(&token, out),
            12..26 => self.lease_user(&token, out),
            26..38 if !self.leases.is_empty() => {
                let lease = self.random.pick(&self.leases).clone();
                self.renew_lease(&lease, out);
            }
            _ => self.read_secret(&token, out),
        }
    }
}

impl Workload {
    fn new(number: u64, random: &mut Random) -> Self {
        Self {
            name: format!("service-{number}"),
            namespace: *random.pick(&NAMESPACES),
            uid: random.uuid(),
            entity: random.uuid(),
            address: format!("10.8.{}.{}", random.below(8), 1 + random.below(250)),
        }
    }

    /// Members of an `auth` object.
    fn auth(&self, token: &Token, granting: Granting) -> String {
        let Self { name, namespace, uid, entity, .. } = self;
        let policy = format!("{namespace}-{name}");
        let results = match granting {
            Granting::Unasked => String::new(),
            Granting::Policy => format!(
                r#""policy_results":{{"allowed":true,"granting_policies":[{{"name":"{policy}","namespace_id":"root","type":"acl"}}]}},"#
            ),
            Granting::Refused => r#""policy_results":{"allowed":false},"#.to_owned(),
        };
        format!(
            r#""client_token":"{}","accessor":"{}","display_name":"kubernetes-{namespace}-{name}","policies":["default","{policy}"],"token_policies":["default","{policy}"],{results}"metadata":{{"role":"{policy}","service_account_name":"{name}","service_account_namespace":"{namespace}","service_account_secret_name":"","service_account_uid":"{uid}"}},"entity_id":"{entity}","token_type":"service","token_ttl":{TOKEN_SECONDS},"token_issue_time":"{}""#,
            token.hash,
            token.accessor,
            time(token.issued_ms, "%Y-%m-%dT%H:%M:%SZ")
        )
    }
}

impl Secret {
    fn new(namespace: &str, number: u64, random: &mut Random) -> Self {
        let [user, password, created] = std::array::from_fn(|_| random.hmac());
        let version = 1 + random.below(9);
        Self {
            path: format!("secret/data/{namespace}/service-{number}"),
            data: format!(
                r#"{{"data":{{"username":"{user}","password":"{password}"}},"metadata":{{"created_time":"{created}","custom_metadata":null,"deletion_time":"","destroyed":false,"version":{version}}}}}"#
            ),
        }
    }
}

/// Adds `new`; in place of another where there are `max` already.
fn replace<T>(alive: &mut Vec<T>, new: T, max: usize, random: &mut Random) {
    if alive.len() < max {
        alive.push(new);
    } else {
        let place = random.below(max as u64) as usize;
        alive[place] = new;
    }
}
