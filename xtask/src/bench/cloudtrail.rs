//! A small cloud that leaves CloudTrail records: accounts, users with keys, and roles whose sessions are issued by
//! `AssumeRole` and then used until they are replaced. Times only rise.
//!
//! Writes records as AWS spells them (record version 1.11) and knows nothing of files, nor of how Ascribe reads them.

use super::random::{HEX, Random};

/// Live sessions in one account. With one `AssumeRole` in 25 records a session is used about 750 times.
const SESSIONS_PER_ACCOUNT: usize = 30;
const ROLES_PER_ACCOUNT: u64 = 12;
const USERS_PER_ACCOUNT: u64 = 4;

const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-southeast-2"];
const AGENTS: [&str; 5] = [
    "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.23.4 md/GOOS#linux md/GOARCH#amd64 api/s3#1.58.3 m/E,g",
    "Boto3/1.35.36 md/Botocore#1.35.36 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.12.7 cfg/retry-mode#standard",
    "aws-cli/2.22.12 md/awscrt#0.22.0 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.6 md/prompt#off",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.78.0",
    "AWS-SDK-Java/2.29.9 Linux/5.10 OpenJDK_64-Bit_Server_VM/21.0.5 Java/21.0.5 vendor/Eclipse_Adoptium io/sync",
];

/// One call that principals make.
struct Operation {
    service: &'static str,
    name: &'static str,
    effect: Access,
    /// Members of `requestParameters`, with `#` for a number of the resource and `@` for hexadecimal text.
    request: &'static str,
    /// The resource, with `#` for its number and `%` for the account; empty where the record lists none.
    resource: &'static str,
    resource_type: &'static str,
}

#[derive(PartialEq, Eq)]
enum Access {
    Read,
    Change,
    Data,
}

const OPERATIONS: [Operation; 12] = [
    Operation {
        service: "s3",
        name: "GetObject",
        effect: Access::Data,
        request: r#""bucketName":"records-#","Host":"records-#.s3.amazonaws.com","key":"year=2026/part-@.parquet""#,
        resource: "arn:aws:s3:::records-#",
        resource_type: "AWS::S3::Bucket",
    },
    Operation {
        service: "s3",
        name: "PutObject",
        effect: Access::Data,
        request: r#""bucketName":"exports-#","Host":"exports-#.s3.amazonaws.com","x-amz-server-side-encryption":"aws:kms","key":"out/@.json""#,
        resource: "arn:aws:s3:::exports-#",
        resource_type: "AWS::S3::Bucket",
    },
    Operation {
        service: "kms",
        name: "Decrypt",
        effect: Access::Read,
        request: r#""encryptionContext":{"aws:s3:arn":"arn:aws:s3:::records-#"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT""#,
        resource: "arn:aws:kms:us-east-1:%:key/5c0e-#",
        resource_type: "AWS::KMS::Key",
    },
    Operation {
        service: "secretsmanager",
        name: "GetSecretValue",
        effect: Access::Read,
        request: r#""secretId":"arn:aws:secretsmanager:us-east-1:%:secret:service-#/database-AbCdEf","versionStage":"AWSCURRENT""#,
        resource: "arn:aws:secretsmanager:us-east-1:%:secret:service-#/database-AbCdEf",
        resource_type: "AWS::SecretsManager::Secret",
    },
    Operation {
        service: "ec2",
        name: "DescribeInstances",
        effect: Access::Read,
        request: r#""instancesSet":{"items":[{"instanceId":"i-@"}]},"filterSet":{"items":[{"name":"tag:Service","valueSet":{"items":[{"value":"service-#"}]}}]}"#,
        resource: "",
        resource_type: "",
    },
    Operation {
        service: "ec2",
        name: "AuthorizeSecurityGroupIngress",
        effect: Access::Change,
        request: r#""groupId":"sg-@","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":5432,"toPort":5432,"groups":{},"ipRanges":{"items":[{"cidrIp":"10.1.#.0/24"}]},"ipv6Ranges":{},"prefixListIds":{}}]}"#,
        resource: "",
        resource_type: "",
    },
    Operation {
        service: "dynamodb",
        name: "UpdateItem",
        effect: Access::Data,
        request: r#""tableName":"orders-#","key":{"orderId":{"s":"@"}},"returnValues":"UPDATED_NEW","returnConsumedCapacity":"NONE""#,
        resource: "arn:aws:dynamodb:us-east-1:%:table/orders-#",
        resource_type: "AWS::DynamoDB::Table",
    },
    Operation {
        service: "iam",
        name: "ListAttachedRolePolicies",
        effect: Access::Read,
        request: r#""roleName":"service-#","maxItems":100"#,
        resource: "",
        resource_type: "",
    },
    Operation {
        service: "lambda",
        name: "UpdateFunctionCode20150331v2",
        effect: Access::Change,
        request: r#""functionName":"arn:aws:lambda:us-east-1:%:function:service-#","s3Bucket":"exports-#","s3Key":"release/@.zip","publish":true,"dryRun":false"#,
        resource: "arn:aws:lambda:us-east-1:%:function:service-#",
        resource_type: "AWS::Lambda::Function",
    },
    Operation {
        service: "ssm",
        name: "GetParameters",
        effect: Access::Read,
        request: r#""names":["/service-#/endpoint","/service-#/features"],"withDecryption":false"#,
        resource: "arn:aws:ssm:us-east-1:%:parameter/service-#/endpoint",
        resource_type: "AWS::SSM::Parameter",
    },
    Operation {
        service: "sqs",
        name: "DeleteMessage",
        effect: Access::Data,
        request: r#""queueUrl":"https://sqs.us-east-1.amazonaws.com/%/work-#","receiptHandle":"HIDDEN_DUE_TO_SECURITY_REASONS""#,
        resource: "arn:aws:sqs:us-east-1:%:work-#",
        resource_type: "AWS::SQS::Queue",
    },
    Operation {
        service: "ecr",
        name: "BatchGetImage",
        effect: Access::Read,
        request: r#""registryId":"%","repositoryName":"service-#","imageIds":[{"imageDigest":"sha256:@@@@"}],"acceptedMediaTypes":["application/vnd.oci.image.manifest.v1+json"]"#,
        resource: "arn:aws:ecr:us-east-1:%:repository/service-#",
        resource_type: "AWS::ECR::Repository",
    },
];

/// The accounts and what is alive in them.
#[derive(Debug)]
pub struct Cloud {
    random: Random,
    accounts: Vec<Account>,
    /// Milliseconds since the Unix epoch; rises with each record.
    clock_ms: i64,
}

#[derive(Debug)]
struct Account {
    id: String,
    region: &'static str,
    roles: Vec<Role>,
    users: Vec<User>,
    sessions: Vec<Session>,
}

#[derive(Debug, Clone)]
struct Role {
    name: String,
    id: String,
}

#[derive(Debug)]
struct User {
    name: String,
    id: String,
    access_key: String,
}

#[derive(Debug, Clone)]
struct Session {
    role: Role,
    name: String,
    access_key: String,
    created_ms: i64,
}

/// Where one delivery comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub account: String,
    pub region: &'static str,
    /// Time of the first record, milliseconds since the Unix epoch.
    pub start_ms: i64,
}

impl Cloud {
    /// A cloud of `accounts` accounts, at least 1, whose clock starts at `start_ms` (milliseconds since the Unix
    /// epoch).
    pub fn new(seed: u64, accounts: u64, start_ms: i64) -> Self {
        let mut random = Random::new(seed);
        let accounts = (0..accounts).map(|number| Account::new(number, &mut random)).collect();
        Self { random, accounts, clock_ms: start_ms }
    }

    /// Appends one delivery of `records` records, the body of one object, to `body`. Deliveries come from the
    /// accounts in turn, `number` counts them.
    pub fn deliver(&mut self, number: u64, records: u64, body: &mut String) -> Delivery {
        let place = number as usize % self.accounts.len();
        let start_ms = self.clock_ms;
        body.push_str("{\"Records\":[");
        for record in 0..records {
            if record > 0 {
                body.push(',');
            }
            self.clock_ms += self.random.below(60).cast_signed();
            let mut scribe = Scribe { random: &mut self.random, clock_ms: self.clock_ms, out: body };
            self.accounts[place].act(&mut scribe);
        }
        body.push_str("]}");
        let account = &self.accounts[place];
        Delivery { account: account.id.clone(), region: account.region, start_ms }
    }
}

impl Account {
    fn new(number: u64, random: &mut Random) -> Self {
        let id = format!("{:012}", 111_122_223_333 + number * 1_010_101);
        let mut user = |number: u64| User {
            name: format!("deploy-{number}"),
            id: format!("AIDA{}", random.letters(BASE32, 17)),
            access_key: format!("AKIA{}", random.letters(BASE32, 16)),
        };
        let users = (0..USERS_PER_ACCOUNT).map(&mut user).collect();
        let mut role = |number: u64| Role {
            name: format!("service-{number}"),
            id: format!("AROA{}", random.letters(BASE32, 17)),
        };
        let roles = (0..ROLES_PER_ACCOUNT).map(&mut role).collect();
        let region = REGIONS[number as usize % REGIONS.len()];
        Self { id, region, roles, users, sessions: Vec::new() }
    }

    /// One record: a session is issued, or a session, a user or a service does something.
    fn act(&mut self, scribe: &mut Scribe<'_>) {
        let first = self.sessions.len() < SESSIONS_PER_ACCOUNT / 4;
        if first || scribe.random.chance(4) {
            return self.assume_role(scribe);
        }
        let operation = scribe.random.pick(&OPERATIONS);
        let is_denied = scribe.random.chance(2);
        let caller = if scribe.random.chance(12) {
            Caller::User(scribe.random.pick(&self.users))
        } else {
            Caller::Session(scribe.random.pick(&self.sessions))
        };
        scribe.call(self, &Call { caller, operation, is_denied });
    }

    fn assume_role(&mut self, scribe: &mut Scribe<'_>) {
        let role = scribe.random.pick(&self.roles).clone();
        let access_key = format!("ASIA{}", scribe.random.letters(BASE32, 16));
        let name = format!("run-{}", scribe.random.letters(HEX, 12));
        let session = Session { role, name, access_key, created_ms: scribe.clock_ms };
        // A session or a user assumes the role; a record of `AssumeRole` also names what it issued.
        let caller = match self.sessions.last() {
            Some(parent) if scribe.random.chance(30) => Caller::Session(parent),
            _ => Caller::User(scribe.random.pick(&self.users)),
        };
        scribe.issue(self, caller, &session);
        if self.sessions.len() < SESSIONS_PER_ACCOUNT {
            self.sessions.push(session);
        } else {
            let place = scribe.random.below(SESSIONS_PER_ACCOUNT as u64) as usize;
            self.sessions[place] = session;
        }
    }
}

#[derive(Clone, Copy)]
enum Caller<'a> {
    User(&'a User),
    Session(&'a Session),
}

struct Call<'a> {
    caller: Caller<'a>,
    operation: &'a Operation,
    is_denied: bool,
}

/// Writes one record at one moment.
struct Scribe<'a> {
    random: &'a mut Random,
    clock_ms: i64,
    out: &'a mut String,
}

impl Scribe<'_> {
    fn call(&mut self, account: &Account, call: &Call<'_>) {
        let operation = call.operation;
        let number = self.random.below(40).to_string();
        let hexadecimal = self.random.letters(HEX, 17);
        let fill =
            |text: &str| text.replace('#', &number).replace('%', &account.id).replace('@', &hexadecimal);
        self.opening(account, call.caller);
        let host = format!("{}.{}.amazonaws.com", operation.service, account.region);
        self.request_head(account, &format!("{}.amazonaws.com", operation.service), operation.name);
        if call.is_denied {
            let resource =
                if operation.resource.is_empty() { "*".to_owned() } else { fill(operation.resource) };
            self.put(&format!(
                r#""errorCode":"AccessDenied","errorMessage":"User: {} is not authorized to perform: {}:{} on resource: {resource} because no identity-based policy allows the {}:{} action","#,
                call.caller.arn(account), operation.service, operation.name, operation.service, operation.name
            ));
        }
        self.put(&format!(r#""requestParameters":{{{}}},"#, fill(operation.request)));
        if operation.effect == Access::Change && !call.is_denied {
            let request = self.random.uuid();
            self.put(&format!(r#""responseElements":{{"requestId":"{request}","_return":true}},"#));
        } else {
            self.put(r#""responseElements":null,"#);
        }
        if operation.effect == Access::Data {
            let (id, sent) = (self.random.letters(BASE64, 76), self.random.below(1 << 22));
            self.put(&format!(
                r#""additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"bytesTransferredOut":{sent},"AuthenticationMethod":"AuthHeader","x-amz-id-2":"{id}"}},"#
            ));
        }
        self.ids();
        let is_read = operation.effect == Access::Read || operation.name.starts_with("Get");
        self.put(&format!(r#""readOnly":{is_read},"#));
        if !operation.resource.is_empty() {
            self.put(&format!(
                r#""resources":[{{"accountId":"{}","type":"{}","ARN":"{}"}}],"#,
                account.id,
                operation.resource_type,
                fill(operation.resource)
            ));
        }
        let is_management = operation.effect != Access::Data;
        self.closing(account, is_management, &host);
    }

    fn issue(&mut self, account: &Account, caller: Caller<'_>, session: &Session) {
        let (role, name) = (&session.role, &session.name);
        let expires = time(self.clock_ms + 3_600_000, "%b %-d, %Y %-I:%M:%S %p");
        self.opening(account, caller);
        self.request_head(account, "sts.amazonaws.com", "AssumeRole");
        let token = self.random.letters(BASE64, 220);
        self.put(&format!(
            r#""requestParameters":{{"roleArn":"arn:aws:iam::{0}:role/{1}","roleSessionName":"{name}","durationSeconds":3600}},"responseElements":{{"credentials":{{"accessKeyId":"{2}","sessionToken":"IQoJb3JpZ2luX2VjE{token}","expiration":"{expires}"}},"assumedRoleUser":{{"assumedRoleId":"{3}:{name}","arn":"arn:aws:sts::{0}:assumed-role/{1}/{name}"}}}},"#,
            account.id, role.name, session.access_key, role.id
        ));
        self.ids();
        self.put(&format!(
            r#""readOnly":true,"resources":[{{"accountId":"{0}","type":"AWS::IAM::Role","ARN":"arn:aws:iam::{0}:role/{1}"}}],"#,
            account.id, role.name
        ));
        self.closing(account, true, &format!("sts.{}.amazonaws.com", account.region));
    }

    fn opening(&mut self, account: &Account, caller: Caller<'_>) {
        let arn = caller.arn(account);
        self.put(r#"{"eventVersion":"1.11","userIdentity":{"#);
        match caller {
            Caller::User(user) => self.put(&format!(
                r#""type":"IAMUser","principalId":"{}","arn":"{arn}","accountId":"{}","accessKeyId":"{}","userName":"{}""#,
                user.id, account.id, user.access_key, user.name
            )),
            Caller::Session(session) => self.put(&format!(
                r#""type":"AssumedRole","principalId":"{0}:{1}","arn":"{arn}","accountId":"{2}","accessKeyId":"{3}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{0}","arn":"arn:aws:iam::{2}:role/{4}","accountId":"{2}","userName":"{4}"}},"attributes":{{"creationDate":"{5}","mfaAuthenticated":"false"}}}}"#,
                session.role.id,
                session.name,
                account.id,
                session.access_key,
                session.role.name,
                time(session.created_ms, "%Y-%m-%dT%H:%M:%SZ")
            )),
        }
        self.put("},");
    }

    fn request_head(&mut self, account: &Account, service: &str, operation: &str) {
        let moment = time(self.clock_ms, "%Y-%m-%dT%H:%M:%SZ");
        let agent = *self.random.pick(&AGENTS);
        let (third, fourth) = (self.random.below(4), self.random.below(250));
        self.put(&format!(
            r#""eventTime":"{moment}","eventSource":"{service}","eventName":"{operation}","awsRegion":"{}","sourceIPAddress":"198.51.{third}.{fourth}","userAgent":"{agent}","#,
            account.region
        ));
    }

    fn ids(&mut self) {
        let (request, event) = (self.random.uuid(), self.random.uuid());
        self.put(&format!(r#""requestID":"{request}","eventID":"{event}","#));
    }

    fn closing(&mut self, account: &Account, is_management: bool, host: &str) {
        let category = if is_management { "Management" } else { "Data" };
        let endpoint = self.random.letters(HEX, 17);
        self.put(&format!(
            r#""eventType":"AwsApiCall","managementEvent":{is_management},"recipientAccountId":"{0}","vpcEndpointId":"vpce-{endpoint}","vpcEndpointAccountId":"{0}","eventCategory":"{category}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{host}"}}}}"#,
            account.id
        ));
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }
}

impl Caller<'_> {
    fn arn(&self, account: &Account) -> String {
        match self {
            Caller::User(user) => format!("arn:aws:iam::{}:user/{}", account.id, user.name),
            Caller::Session(session) => {
                format!("arn:aws:sts::{}:assumed-role/{}/{}", account.id, session.role.name, session.name)
            }
        }
    }
}

/// A moment in milliseconds since the Unix epoch, in UTC; the epoch itself where it is out of range.
pub fn time(moment_ms: i64, format: &str) -> String {
    let moment = jiff::Timestamp::from_millisecond(moment_ms).unwrap_or_default();
    moment.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn records(seed: u64, deliveries: u64) -> Vec<serde_json::Value> {
        let mut cloud = Cloud::new(seed, 3, 1_767_225_600_000);
        let mut records = Vec::new();
        for number in 0..deliveries {
            let mut body = String::new();
            cloud.deliver(number, 400, &mut body);
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            records.extend(value["Records"].as_array().unwrap().iter().cloned());
        }
        records
    }

    #[test]
    fn records_are_about_as_long_as_real_ones() {
        let records = records(7, 9);
        let bytes: usize = records.iter().map(|record| record.to_string().len()).sum();
        let mean = bytes / records.len();
        assert!((1_500..1_800).contains(&mean), "{mean}");
    }

    #[test]
    fn a_session_is_used_only_after_it_was_issued() {
        let mut issued = BTreeSet::new();
        let (mut used, mut last) = (BTreeSet::new(), String::new());
        for record in records(7, 9) {
            let moment = record["eventTime"].as_str().unwrap().to_owned();
            assert!(last <= moment, "{last} then {moment}");
            last = moment;
            let key = record["userIdentity"]["accessKeyId"].as_str().unwrap().to_owned();
            if key.starts_with("ASIA") {
                assert!(issued.contains(&key), "{key} is used before it was issued");
                used.insert(key);
            }
            if record["eventName"] == "AssumeRole" {
                issued.insert(
                    record["responseElements"]["credentials"]["accessKeyId"].as_str().unwrap().to_owned(),
                );
            }
        }
        assert!(used.len() > 50, "{}", used.len());
    }

    #[test]
    fn one_seed_gives_one_text() {
        assert_eq!(records(7, 2), records(7, 2));
        assert_ne!(records(7, 2), records(8, 2));
    }

    #[test]
    fn no_event_id_repeats() {
        let records = records(7, 9);
        let ids: BTreeSet<_> = records.iter().map(|record| record["eventID"].to_string()).collect();
        assert_eq!(ids.len(), records.len());
    }
}
