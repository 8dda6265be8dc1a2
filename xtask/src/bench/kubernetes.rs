//! A Kubernetes cluster that leaves lines of its API server's audit: pods read and change objects with bound tokens,
//! kubelets renew their leases and ask for the tokens of their pods, and controllers start new pods. Times only rise.
//!
//! Writes `audit.k8s.io/v1` events of the stage `ResponseComplete`, as Kubernetes 1.33 spells them, and knows nothing
//! of files, nor of how Ascribe reads them.

use super::cloudtrail::time;
use super::json_lines::Lines;
use super::random::{HEX, Random};

const NODES: u64 = 12;
const WORKLOADS: u64 = 40;
/// Pods that are alive. With 5 token requests in 100 lines a token is used about 15 times.
const PODS_MAX: usize = 300;

const NAMESPACES: [&str; 4] = ["payments", "orders", "search", "platform"];
const SUFFIX: &str = "bcdfghjklmnpqrstvwxz2456789";

/// One request that workloads make.
struct Request {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    /// The object's name, with `~` for a number; empty for a list.
    name: &'static str,
    /// The object sent, with `~` for the number and `%` for the namespace; empty where the policy records none.
    object: &'static str,
    role: &'static str,
}

const REQUESTS: [Request; 8] = [
    Request {
        verb: "get",
        group: "",
        version: "v1",
        resource: "configmaps",
        name: "settings-~",
        object: "",
        role: "settings-reader",
    },
    Request { verb: "list", group: "", version: "v1", resource: "pods", name: "", object: "", role: "view" },
    Request {
        verb: "watch",
        group: "discovery.k8s.io",
        version: "v1",
        resource: "endpointslices",
        name: "",
        object: "",
        role: "view",
    },
    Request {
        verb: "get",
        group: "",
        version: "v1",
        resource: "secrets",
        name: "database-~",
        object: "",
        role: "secret-reader",
    },
    Request {
        verb: "update",
        group: "coordination.k8s.io",
        version: "v1",
        resource: "leases",
        name: "leader-~",
        object: r#"{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"leader-~","namespace":"%","labels":{"app.kubernetes.io/component":"leader-~","app.kubernetes.io/managed-by":"operator"}},"spec":{"holderIdentity":"leader-~","leaseDurationSeconds":15,"leaseTransitions":~}}"#,
        role: "leader-election",
    },
    Request {
        verb: "patch",
        group: "apps",
        version: "v1",
        resource: "deployments",
        name: "service-~",
        object: r#"{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"~"}},"spec":{"replicas":~,"template":{"spec":{"containers":[{"name":"main","image":"registry.example.com/%/service:1.~","resources":{"limits":{"cpu":"500m","memory":"512Mi"},"requests":{"cpu":"100m","memory":"256Mi"}}}]}}}}"#,
        role: "edit",
    },
    Request {
        verb: "create",
        group: "batch",
        version: "v1",
        resource: "jobs",
        name: "report-~",
        object: r#"{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"report-~","namespace":"%","labels":{"app.kubernetes.io/name":"report"}},"spec":{"backoffLimit":2,"ttlSecondsAfterFinished":600,"template":{"spec":{"serviceAccountName":"service-~","restartPolicy":"Never","containers":[{"name":"main","image":"registry.example.com/%/report:1.~","args":["--day","~"]}]}}}}"#,
        role: "edit",
    },
    Request {
        verb: "get",
        group: "apps",
        version: "v1",
        resource: "replicasets",
        name: "service-~",
        object: "",
        role: "view",
    },
];

/// The cluster and what is alive in it.
#[derive(Debug)]
pub struct Cluster {
    random: Random,
    nodes: Vec<Node>,
    workloads: Vec<Workload>,
    pods: Vec<Pod>,
    /// A pod that was created and has no token yet.
    created: Option<Pod>,
    /// Milliseconds since the Unix epoch; rises with each line.
    clock_ms: i64,
}

#[derive(Debug)]
struct Node {
    name: String,
    uid: String,
    address: String,
    /// SHA-256 of its certificate, in hexadecimal.
    certificate: String,
}

#[derive(Debug)]
struct Workload {
    name: String,
    namespace: &'static str,
    uid: String,
    /// Hash of the pod template, as the name of a replica set ends in it.
    template: String,
}

#[derive(Debug, Clone)]
struct Pod {
    workload: usize,
    node: usize,
    name: String,
    uid: String,
    address: String,
    /// Id of its token.
    credential: String,
}

/// What differs from line to line.
struct Line<'a> {
    level: &'static str,
    verb: &'a str,
    uri: String,
    user: String,
    address: &'a str,
    agent: &'a str,
    object_ref: String,
    code: u32,
    /// Members of `annotations` behind the decision, with commas in front.
    annotations: String,
    /// `requestObject` and `responseObject`, with commas in front; empty where none is recorded.
    objects: String,
}

impl Cluster {
    /// A cluster whose clock starts at `start_ms` (milliseconds since the Unix epoch).
    pub fn new(seed: u64, start_ms: i64) -> Self {
        let mut random = Random::new(seed);
        let nodes = (0..NODES).map(|number| Node::new(number, &mut random)).collect();
        let workloads = (0..WORKLOADS).map(|number| Workload::new(number, &mut random)).collect();
        Self { random, nodes, workloads, pods: Vec::new(), created: None, clock_ms: start_ms }
    }

    /// A pod uses its token.
    fn use_token(&mut self, out: &mut String) {
        let pod = self.random.pick(&self.pods).clone();
        let request = self.random.pick(&REQUESTS);
        let number = self.random.below(60).to_string();
        let (workload, node) = (&self.workloads[pod.workload], &self.nodes[pod.node]);
        let (service_account, namespace) = (&workload.name, workload.namespace);
        let name = request.name.replace('~', &number);
        let denied = self.random.chance(2);
        let user = format!(
            r#"{{"username":"system:serviceaccount:{namespace}:{service_account}","uid":"{}","groups":["system:serviceaccounts","system:serviceaccounts:{namespace}","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI={}"],"authentication.kubernetes.io/node-name":["{}"],"authentication.kubernetes.io/node-uid":["{}"],"authentication.kubernetes.io/pod-name":["{}"],"authentication.kubernetes.io/pod-uid":["{}"]}}}}"#,
            workload.uid, pod.credential, node.name, node.uid, pod.name, pod.uid
        );
        let has_object = !request.object.is_empty() && !denied;
        let objects = if has_object {
            let object = request.object.replace('~', &number).replace('%', namespace);
            format!(r#","requestObject":{object}"#)
        } else {
            String::new()
        };
        let decision = if denied {
            r#""authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":"""#.to_owned()
        } else {
            let role = request.role;
            format!(
                r#""authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding \"{role}-{service_account}/{namespace}\" of ClusterRole \"{role}\" to ServiceAccount \"{service_account}/{namespace}\"""#
            )
        };
        let granted = if request.verb == "create" { 201 } else { 200 };
        let line = Line {
            level: if has_object { "Request" } else { "Metadata" },
            verb: request.verb,
            uri: request.uri(namespace, &name),
            user,
            address: &pod.address,
            agent: "service/2.4.1 (linux/amd64) client-go/v0.33.2",
            object_ref: request.object_ref(namespace, &name),
            code: if denied { 403 } else { granted },
            annotations: decision,
            objects,
        };
        write(&line, &mut self.clock_ms, &mut self.random, out);
    }

    /// A kubelet renews its lease.
    fn renew_node(&mut self, out: &mut String) {
        let place = self.random.below(NODES) as usize;
        let renewed = time(self.clock_ms, "%Y-%m-%dT%H:%M:%S.000000Z");
        let version = 1_000_000 + self.random.below(9_000_000);
        let node = &self.nodes[place];
        let (name, uid) = (&node.name, &node.uid);
        let lease = format!(
            r#"{{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{{"name":"{name}","namespace":"kube-node-lease","uid":"{uid}","resourceVersion":"{version}","ownerReferences":[{{"apiVersion":"v1","kind":"Node","name":"{name}","uid":"{uid}"}}]}},"spec":{{"holderIdentity":"{name}","leaseDurationSeconds":40,"renewTime":"{renewed}"}}}}"#
        );
        let line = Line {
            level: "RequestResponse",
            verb: "update",
            uri: format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}?timeout=10s"),
            user: node.user(),
            address: &node.address,
            agent: "kubelet/v1.33.2 (linux/amd64) kubernetes/a57b6f7",
            object_ref: format!(
                r#"{{"resource":"leases","namespace":"kube-node-lease","name":"{name}","uid":"{uid}","apiGroup":"coordination.k8s.io","apiVersion":"v1","resourceVersion":"{version}"}}"#
            ),
            code: 200,
            annotations: NODE_ALLOWED.to_owned(),
            objects: format!(r#","requestObject":{lease},"responseObject":{lease}"#),
        };
        write(&line, &mut self.clock_ms, &mut self.random, out);
    }

    /// The replica set controller makes a pod; its token is asked for next.
    fn create_pod(&mut self, out: &mut String) {
        let place = self.random.below(WORKLOADS) as usize;
        let workload = &self.workloads[place];
        let (namespace, owner) = (workload.namespace, format!("{}-{}", workload.name, workload.template));
        let pod = Pod {
            workload: place,
            node: self.random.below(NODES) as usize,
            name: format!("{owner}-{}", self.random.letters(SUFFIX, 5)),
            uid: self.random.uuid(),
            address: format!("10.23.{}.{}", self.random.below(8), 2 + self.random.below(250)),
            credential: String::new(),
        };
        let spec = format!(
            r#""spec":{{"serviceAccountName":"{0}","containers":[{{"name":"main","image":"registry.example.com/{namespace}/{0}:1.4.2"}}]}}"#,
            workload.name
        );
        let line = Line {
            level: "RequestResponse",
            verb: "create",
            uri: format!("/api/v1/namespaces/{namespace}/pods"),
            user: r#"{"username":"system:serviceaccount:kube-system:replicaset-controller","uid":"5a8e0c44-6b0f-4d1c-9f5e-0d3b7c2a9e61","groups":["system:serviceaccounts","system:serviceaccounts:kube-system","system:authenticated"]}"#.to_owned(),
            address: "10.0.12.7",
            agent: "kube-controller-manager/v1.33.2 (linux/amd64) kubernetes/a57b6f7/system:serviceaccount:kube-system:replicaset-controller",
            object_ref: format!(r#"{{"resource":"pods","namespace":"{namespace}","name":"{}","apiVersion":"v1"}}"#, pod.name),
            code: 201,
            annotations: r#""authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"system:controller:replicaset-controller\" of ClusterRole \"system:controller:replicaset-controller\" to ServiceAccount \"replicaset-controller/kube-system\"""#.to_owned(),
            objects: format!(
                r#","requestObject":{{"kind":"Pod","apiVersion":"v1","metadata":{{"generateName":"{owner}-","namespace":"{namespace}"}},{spec}}},"responseObject":{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{0}","generateName":"{owner}-","namespace":"{namespace}","uid":"{1}"}},{spec}}}"#,
                pod.name, pod.uid
            ),
        };
        write(&line, &mut self.clock_ms, &mut self.random, out);
        self.created = Some(pod);
    }

    /// A kubelet asks for the token of a pod. The policy records the request and not the token.
    fn request_token(&mut self, mut pod: Pod, out: &mut String) {
        pod.credential = self.random.uuid();
        let (workload, node) = (&self.workloads[pod.workload], &self.nodes[pod.node]);
        let (name, namespace) = (&workload.name, workload.namespace);
        let line = Line {
            level: "Request",
            verb: "create",
            uri: format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"),
            user: node.user(),
            address: &node.address,
            agent: "kubelet/v1.33.2 (linux/amd64) kubernetes/a57b6f7",
            object_ref: format!(
                r#"{{"resource":"serviceaccounts","namespace":"{namespace}","name":"{name}","apiVersion":"v1","subresource":"token"}}"#
            ),
            code: 201,
            annotations: format!(
                r#""authentication.kubernetes.io/issued-credential-id":"JTI={}",{NODE_ALLOWED}"#,
                pod.credential
            ),
            objects: format!(
                r#","requestObject":{{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","metadata":{{"name":"{name}","namespace":"{namespace}","creationTimestamp":null}},"spec":{{"audiences":["https://kubernetes.default.svc"],"expirationSeconds":3607,"boundObjectRef":{{"kind":"Pod","apiVersion":"v1","name":"{}","uid":"{}"}}}},"status":{{"token":"","expirationTimestamp":null}}}}"#,
                pod.name, pod.uid
            ),
        };
        write(&line, &mut self.clock_ms, &mut self.random, out);
        match self.pods.iter().position(|alive| alive.uid == pod.uid) {
            Some(place) => self.pods[place] = pod,
            None if self.pods.len() < PODS_MAX => self.pods.push(pod),
            None => {
                let place = self.random.below(PODS_MAX as u64) as usize;
                self.pods[place] = pod;
            }
        }
    }
}

/// What the node authorizer and RBAC say about kubelets: the reason of the former is empty.
const NODE_ALLOWED: &str = r#""authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"""#;

impl Lines for Cluster {
    fn line(&mut self, out: &mut String) {
        if let Some(pod) = self.created.take() {
            return self.request_token(pod, out);
        }
        if self.pods.len() < PODS_MAX / 10 {
            return self.create_pod(out);
        }
        match self.random.below(100) {
            0..2 => self.create_pod(out),
            2..5 => {
                let pod = self.random.pick(&self.pods).clone();
                self.request_token(pod, out);
            }
            5..20 => self.renew_node(out),
            _ => self.use_token(out),
        }
    }
}

impl Request {
    fn uri(&self, namespace: &str, name: &str) -> String {
        let Self { group, version, resource, .. } = self;
        let root =
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let object =
            if name.is_empty() || self.verb == "create" { String::new() } else { format!("/{name}") };
        let query = match self.verb {
            "list" => "?limit=500",
            "watch" => "?allowWatchBookmarks=true&timeoutSeconds=431&watch=true",
            "patch" => "?fieldManager=service",
            _ => "",
        };
        format!("{root}/namespaces/{namespace}/{resource}{object}{query}")
    }

    fn object_ref(&self, namespace: &str, name: &str) -> String {
        let Self { group, version, resource, .. } = self;
        let name = if name.is_empty() { String::new() } else { format!(r#","name":"{name}""#) };
        let group = if group.is_empty() { String::new() } else { format!(r#","apiGroup":"{group}""#) };
        format!(
            r#"{{"resource":"{resource}","namespace":"{namespace}"{name}{group},"apiVersion":"{version}"}}"#
        )
    }
}

impl Node {
    fn new(number: u64, random: &mut Random) -> Self {
        Self {
            name: format!("node-{number}.eu-central.internal.example.com"),
            uid: random.uuid(),
            address: format!("10.0.20.{}", 10 + number),
            certificate: random.letters(HEX, 64),
        }
    }

    fn user(&self) -> String {
        let Self { name, certificate, .. } = self;
        format!(
            r#"{{"username":"system:node:{name}","groups":["system:nodes","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["X509SHA256={certificate}"]}}}}"#
        )
    }
}

impl Workload {
    fn new(number: u64, random: &mut Random) -> Self {
        Self {
            name: format!("service-{number}"),
            namespace: *random.pick(&NAMESPACES),
            uid: random.uuid(),
            template: random.letters(SUFFIX, 10),
        }
    }
}

fn write(line: &Line<'_>, clock_ms: &mut i64, random: &mut Random, out: &mut String) {
    *clock_ms += 1 + random.below(20).cast_signed();
    let mut moment = |after_ms: i64| {
        let at = *clock_ms + after_ms;
        let (milliseconds, rest) = (at.rem_euclid(1_000), random.below(1_000));
        format!("{}.{milliseconds:03}{rest:03}Z", time(at, "%Y-%m-%dT%H:%M:%S"))
    };
    let (received, answered) = (moment(0), moment(7));
    let Line { level, verb, uri, user, address, agent, object_ref, code, annotations, objects } = line;
    let status = match code {
        403 => r#"{"metadata":{},"status":"Failure","message":"forbidden","reason":"Forbidden","code":403}"#
            .to_owned(),
        code => format!(r#"{{"metadata":{{}},"code":{code}}}"#),
    };
    out.push_str(&format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"{level}\",\"auditID\":\"{}\",\"stage\":\"ResponseComplete\",\"requestURI\":\"{uri}\",\"verb\":\"{verb}\",\"user\":{user},\"sourceIPs\":[\"{address}\"],\"userAgent\":\"{agent}\",\"objectRef\":{object_ref},\"responseStatus\":{status}{objects},\"requestReceivedTimestamp\":\"{received}\",\"stageTimestamp\":\"{answered}\",\"annotations\":{{{annotations}}}}}\n",
        random.uuid()
    ));
}
