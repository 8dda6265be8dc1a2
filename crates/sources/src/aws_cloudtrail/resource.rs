//! What was acted upon.
//!
//! `resources` where CloudTrail fills it (data events, STS, KMS), else the parameters that name things, service by
//! service. For a service that has no rows here, every parameter counts that is an ARN or is called a name or an id.

use ascribe_model::{KeyKind, KeyRef, Resource, ResourceRole};

use super::key::{self, global, scoped};
use super::record::{Act, text};
use super::workload::is_instance_id;
use crate::json::{Kind, Value};

/// What was acted upon, in the order of the record.
pub(super) fn resources(act: &Act<'_>) -> Vec<Resource> {
    let mut found = Vec::new();
    for resource in act.fields.resources.into_iter().flat_map(Value::items) {
        if let Some(resource) = listed(resource) {
            found.push(resource);
        }
    }
    if !found.is_empty() {
        return found;
    }
    if act.service == "s3" || act.service == "s3express" {
        bucket(act, &mut found);
        return found;
    }
    let rows = rows(&act.service);
    for row in rows {
        // The response tells what came into being; of what the request names it is an echo.
        let place = match row.from {
            From::Request => act.fields.request,
            From::Response if found.iter().any(|known: &Resource| known.kind == row.kind) => continue,
            From::Response => act.fields.response,
        };
        each(place, row.path, &mut |value| {
            if let Some(name) = value.non_empty() {
                found.push(Resource { kind: row.kind.to_owned(), uid: uid(act, row, name), role: row.role });
            }
        });
    }
    if rows.is_empty() {
        found.extend(
            act.fields
                .request
                .into_iter()
                .flat_map(Value::members)
                .filter_map(|(name, value)| parameter(act, &name, value)),
        );
    }
    found
}

/// Which of the two objects holds the parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Request,
    Response,
}

/// One parameter that names a resource.
struct Row {
    from: From,
    /// Members from that object; `[]` stands for every element of an array.
    path: &'static [&'static str],
    kind: &'static str,
    role: ResourceRole,
    naming: Naming,
}

/// In what namespace a name is that is no ARN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// `type/name` in the account and region.
    Typed,
    /// A kind of its own, unique everywhere.
    Everywhere(Named),
    /// A kind of its own, unique in the account.
    Account(Named),
    /// A kind of its own, unique in the region of the account.
    Region(Named),
}

/// Names that keys of other roles also carry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Function,
    Instance,
    RoleName,
    Secret,
    UserName,
}

impl Named {
    const fn kind(self) -> KeyKind {
        match self {
            Self::Function => key::FUNCTION,
            Self::Instance => key::INSTANCE,
            Self::RoleName => key::ROLE_NAME,
            Self::Secret => key::SECRET,
            Self::UserName => key::USER_NAME,
        }
    }
}

const fn target(path: &'static [&'static str], kind: &'static str) -> Row {
    Row { from: From::Request, path, kind, role: ResourceRole::Target, naming: Naming::Typed }
}

const fn named(path: &'static [&'static str], kind: &'static str, naming: Naming) -> Row {
    Row { naming, ..target(path, kind) }
}

const fn related(path: &'static [&'static str], kind: &'static str) -> Row {
    Row { role: ResourceRole::Related, ..target(path, kind) }
}

const fn container(path: &'static [&'static str], kind: &'static str) -> Row {
    Row { role: ResourceRole::Container, ..target(path, kind) }
}

const INSTANCE: Naming = Naming::Everywhere(Named::Instance);

const EC2: &[Row] = &[
    named(&["instanceId"], "AWS::EC2::Instance", INSTANCE),
    named(&["instancesSet", "items", "[]", "instanceId"], "AWS::EC2::Instance", INSTANCE),
    Row {
        from: From::Response,
        ..named(&["instancesSet", "items", "[]", "instanceId"], "AWS::EC2::Instance", INSTANCE)
    },
    target(&["imageId"], "AWS::EC2::Image"),
    target(&["snapshotId"], "AWS::EC2::Snapshot"),
    target(&["volumeId"], "AWS::EC2::Volume"),
    target(&["groupId"], "AWS::EC2::SecurityGroup"),
    target(&["groupName"], "AWS::EC2::SecurityGroup"),
    target(&["vpcId"], "AWS::EC2::VPC"),
    target(&["subnetId"], "AWS::EC2::Subnet"),
    target(&["networkAclId"], "AWS::EC2::NetworkAcl"),
    target(&["keyName"], "AWS::EC2::KeyPair"),
    target(&["keyPairId"], "AWS::EC2::KeyPair"),
    target(&["DeleteFlowLogsRequest", "FlowLogId", "content"], "AWS::EC2::FlowLog"),
];

const IAM: &[Row] = &[
    named(&["userName"], "AWS::IAM::User", Naming::Account(Named::UserName)),
    named(&["roleName"], "AWS::IAM::Role", Naming::Account(Named::RoleName)),
    target(&["groupName"], "AWS::IAM::Group"),
    target(&["instanceProfileName"], "AWS::IAM::InstanceProfile"),
    target(&["sAMLProviderArn"], "AWS::IAM::SAMLProvider"),
    target(&["openIDConnectProviderArn"], "AWS::IAM::OIDCProvider"),
    target(&["serialNumber"], "AWS::IAM::VirtualMFADevice"),
    related(&["policyArn"], "AWS::IAM::Policy"),
    related(&["permissionsBoundary"], "AWS::IAM::Policy"),
    related(&["policyName"], "AWS::IAM::Policy"),
];

const INSTANCE_CONNECT: &[Row] = &[named(&["instanceId"], "AWS::EC2::Instance", INSTANCE)];

const STS: &[Row] =
    &[target(&["roleArn"], "AWS::IAM::Role"), target(&["targetPrincipal"], "AWS::Organizations::Account")];

const SECRETS_MANAGER: &[Row] = &[
    named(&["secretId"], "AWS::SecretsManager::Secret", Naming::Region(Named::Secret)),
    named(&["secretIdList", "[]"], "AWS::SecretsManager::Secret", Naming::Region(Named::Secret)),
    named(&["name"], "AWS::SecretsManager::Secret", Naming::Region(Named::Secret)),
];

const KMS: &[Row] = &[target(&["keyId"], "AWS::KMS::Key")];

const LAMBDA: &[Row] = &[named(&["functionName"], "AWS::Lambda::Function", Naming::Region(Named::Function))];

const SYSTEMS_MANAGER: &[Row] = &[
    named(&["target"], "AWS::EC2::Instance", INSTANCE),
    named(&["instanceIds", "[]"], "AWS::EC2::Instance", INSTANCE),
    target(&["name"], "AWS::SSM::Parameter"),
    target(&["names", "[]"], "AWS::SSM::Parameter"),
    related(&["documentName"], "AWS::SSM::Document"),
    target(&["sessionId"], "AWS::SSM::Session"),
];

const ECS: &[Row] = &[
    container(&["cluster"], "AWS::ECS::Cluster"),
    target(&["task"], "AWS::ECS::Task"),
    target(&["service"], "AWS::ECS::Service"),
    target(&["taskDefinition"], "AWS::ECS::TaskDefinition"),
];

const EKS: &[Row] = &[
    target(&["name"], "AWS::EKS::Cluster"),
    target(&["clusterName"], "AWS::EKS::Cluster"),
    related(&["principalArn"], "AWS::IAM::Role"),
    related(&["roleArn"], "AWS::IAM::Role"),
];

const RDS: &[Row] = &[
    target(&["dBInstanceIdentifier"], "AWS::RDS::DBInstance"),
    target(&["dBClusterIdentifier"], "AWS::RDS::DBCluster"),
    target(&["dBSnapshotIdentifier"], "AWS::RDS::DBSnapshot"),
    target(&["dBClusterSnapshotIdentifier"], "AWS::RDS::DBClusterSnapshot"),
];

const IDENTITY_CENTER: &[Row] = &[
    target(&["permissionSetArn"], "AWS::SSO::PermissionSet"),
    container(&["instanceArn"], "AWS::SSO::Instance"),
    related(&["targetId"], "AWS::Organizations::Account"),
    related(&["principalId"], "AWS::IdentityStore::Principal"),
];

const SQS: &[Row] = &[target(&["queueUrl"], "AWS::SQS::Queue")];

const CLOUDWATCH: &[Row] =
    &[target(&["logGroupName"], "AWS::Logs::LogGroup"), related(&["logStreamName"], "AWS::Logs::LogStream")];

const DYNAMODB: &[Row] = &[target(&["tableName"], "AWS::DynamoDB::Table")];

const CLOUDTRAIL: &[Row] = &[
    target(&["name"], "AWS::CloudTrail::Trail"),
    target(&["trailName"], "AWS::CloudTrail::Trail"),
    target(&["eventDataStore"], "AWS::CloudTrail::EventDataStore"),
];

/// The rows of the services whose calls matter most to credentials and data.
fn rows(service: &str) -> &'static [Row] {
    match service {
        "cloudtrail" => CLOUDTRAIL,
        "dynamodb" => DYNAMODB,
        "ec2" => EC2,
        "ec2-instance-connect" => INSTANCE_CONNECT,
        "ecs" => ECS,
        "eks" | "eks-auth" => EKS,
        "iam" => IAM,
        "kms" => KMS,
        "lambda" => LAMBDA,
        "logs" => CLOUDWATCH,
        "rds" => RDS,
        "secretsmanager" => SECRETS_MANAGER,
        "sqs" => SQS,
        "ssm" => SYSTEMS_MANAGER,
        "sso" => IDENTITY_CENTER,
        "sts" => STS,
        _ => &[],
    }
}

fn each<'t>(place: Option<Value<'t>>, path: &[&str], visit: &mut impl FnMut(Value<'t>)) {
    let Some(value) = place else { return };
    match path {
        [] => visit(value),
        ["[]", rest @ ..] => value.items().for_each(|item| each(Some(item), rest, visit)),
        [name, rest @ ..] => each(value.get(name), rest, visit),
    }
}

fn uid(act: &Act<'_>, row: &Row, name: String) -> KeyRef {
    if name.starts_with("arn:") {
        return global(key::ARN, name);
    }
    match row.naming {
        // A Session Manager target may be a machine outside EC2, or a task.
        Naming::Everywhere(Named::Instance) if !is_instance_id(&name) => typed(act, row.kind, &name),
        Naming::Everywhere(named) => global(named.kind(), name),
        Naming::Account(named) => scoped(named.kind(), &act.account, name),
        Naming::Region(named) => scoped(named.kind(), &act.place(), name),
        Naming::Typed => typed(act, row.kind, &name),
    }
}

fn typed(act: &Act<'_>, kind: &str, name: &str) -> KeyRef {
    // These services know no region, whichever one their events are recorded in.
    let global_service = matches!(&*act.service, "iam" | "organizations" | "sts");
    let place = if global_service { act.account.clone() } else { act.place() };
    scoped(key::RESOURCE, &place, format!("{kind}/{name}"))
}

/// An element of `resources`.
fn listed(resource: Value<'_>) -> Option<Resource> {
    let arn = text(resource.get("ARN").or_else(|| resource.get("arn")))
        .or_else(|| text(resource.get("ARNPrefix")))?;
    let kind = text(resource.get("type")).unwrap_or_else(|| kind_of_arn(&arn));
    Some(Resource { kind, uid: global(key::ARN, arn), role: ResourceRole::Target })
}

/// The service that an ARN names, where the record does not say the type.
fn kind_of_arn(arn: &str) -> String {
    arn.split(':').nth(2).unwrap_or_default().to_owned()
}

/// A bucket and perhaps an object in it, by the ARNs that their names make.
fn bucket(act: &Act<'_>, found: &mut Vec<Resource>) {
    let Some(name) = text(act.request(&["bucketName"])) else { return };
    let partition = match act.region.as_deref() {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let bucket = match act.region.as_deref() {
        _ if name.starts_with("arn:") => name,
        Some(region) if act.service == "s3express" => {
            format!("arn:{partition}:s3express:{region}:{}:bucket/{name}", act.account)
        }
        _ => format!("arn:{partition}:s3:::{name}"),
    };
    let object = text(act.request(&["key"])).map(|key| format!("{bucket}/{key}"));
    let role = if object.is_some() { ResourceRole::Container } else { ResourceRole::Target };
    if let Some(object) = object {
        let uid = global(key::ARN, object);
        found.push(Resource { kind: "AWS::S3::Object".to_owned(), uid, role: ResourceRole::Target });
    }
    found.push(Resource { kind: "AWS::S3::Bucket".to_owned(), uid: global(key::ARN, bucket), role });
}

/// A parameter of a service without rows.
fn parameter(act: &Act<'_>, name: &str, value: Value<'_>) -> Option<Resource> {
    if value.kind() != Kind::String {
        return None;
    }
    let text = value.non_empty()?;
    let uid = if text.starts_with("arn:") {
        global(key::ARN, text)
    } else if ["Name", "Id", "Identifier"].iter().any(|ending| name.ends_with(ending)) || name == "name" {
        typed(act, name, &text)
    } else {
        return None;
    };
    Some(Resource { kind: name.to_owned(), uid, role: ResourceRole::Target })
}
