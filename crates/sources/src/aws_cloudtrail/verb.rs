//! What sort of act an operation is.
//!
//! `readOnly` says little: it is true for `GetSecretValue`. So the operations that hand out authority, read secrets,
//! run code or change who may do what are named here, and all others are told by the first word of their name.

use ascribe_model::Verb;

use super::record::Act;

/// The verb of an event.
pub(super) fn verb(act: &Act<'_>) -> Verb {
    if act.fields.insight.is_some() || act.operation.is_empty() {
        return Verb::Unknown;
    }
    let read_only = act.fields.read_only.and_then(|value| match value.raw() {
        // Exports through Python write the word with a capital.
        b"\"True\"" => Some(true),
        b"\"False\"" => Some(false),
        _ => value.truth(),
    });
    let operation = act.base_operation();
    special(&act.service, operation)
        .filter(|verb| *verb != Verb::SecretRead || act.service != "ssm" || decrypts(act))
        .unwrap_or_else(|| ordinary(&act.service, operation, read_only))
}

/// Operations whose name does not say what they are.
fn special(service: &str, operation: &str) -> Option<Verb> {
    delegates(service, operation)
        .then_some(Verb::Delegate)
        .or_else(|| reads_secrets(service, operation).then_some(Verb::SecretRead))
        .or_else(|| executes(service, operation).then_some(Verb::Exec))
        .or_else(|| administers(service, operation).then_some(Verb::Admin))
        .or_else(|| authenticates(service, operation).then_some(Verb::Auth))
}

fn delegates(service: &str, operation: &str) -> bool {
    matches!(
        (service, operation),
        (
            "sts",
            "AssumeRole"
                | "AssumeRoleWithSAML"
                | "AssumeRoleWithWebIdentity"
                | "AssumeRoot"
                | "GetDelegatedAccessToken"
                | "GetFederationToken"
                | "GetServiceBearerToken"
                | "GetSessionToken"
                | "GetWebIdentityToken"
        ) | ("eks-auth", "AssumeRoleForPodIdentity")
            | ("rolesanywhere" | "s3" | "s3express", "CreateSession")
            | ("sso", "GetRoleCredentials")
            | ("sso" | "sso-oauth" | "sso-oidc", "CreateToken" | "CreateTokenWithIAM")
            | ("signin", "GetSigninToken" | "SwitchRole")
            | ("cognito-identity", "GetCredentialsForIdentity" | "GetOpenIdToken")
            | ("redshift", "GetClusterCredentials" | "GetClusterCredentialsWithIAM")
            | ("redshift-serverless", "GetCredentials")
            | ("acm-pca", "IssueCertificate")
            | ("iot", "CreateKeysAndCertificate" | "CreateCertificateFromCsr")
            | ("kms", "CreateGrant")
    )
}

fn reads_secrets(service: &str, operation: &str) -> bool {
    match service {
        "secretsmanager" => matches!(operation, "GetSecretValue" | "BatchGetSecretValue"),
        "ssm" => {
            matches!(
                operation,
                "GetParameter" | "GetParameters" | "GetParametersByPath" | "GetParameterHistory"
            )
        }
        "kms" => {
            matches!(operation, "Decrypt" | "ReEncrypt" | "DeriveSharedSecret")
                || operation.starts_with("GenerateDataKey")
        }
        "ecr" | "ecr-public" | "codeartifact" => operation == "GetAuthorizationToken",
        "ec2" => operation == "GetPasswordData",
        "acm" => operation == "ExportCertificate",
        "lightsail" => matches!(operation, "DownloadDefaultKeyPair" | "GetInstanceAccessDetails"),
        _ => false,
    }
}

/// Only a read that asks for plain text gives a secret.
fn decrypts(act: &Act<'_>) -> bool {
    act.request(&["withDecryption"]).and_then(crate::json::Value::truth) == Some(true)
}

fn executes(service: &str, operation: &str) -> bool {
    match service {
        "ssm" => {
            matches!(operation, "SendCommand" | "StartSession" | "ResumeSession" | "StartAutomationExecution")
        }
        "ecs" => matches!(operation, "ExecuteCommand" | "RunTask"),
        "lambda" => matches!(operation, "Invoke" | "InvokeAsync" | "InvokeFunction"),
        "ec2-instance-connect" => operation.starts_with("Send") || operation == "OpenTunnel",
        "bedrock" | "bedrock-agent" | "bedrock-runtime" | "bedrock-agentcore" => {
            operation.starts_with("Invoke") || operation.starts_with("Converse")
        }
        "states" => matches!(operation, "StartExecution" | "StartSyncExecution"),
        "codebuild" => matches!(operation, "StartBuild" | "StartBuildBatch"),
        "glue" => operation == "StartJobRun",
        _ => false,
    }
}

/// Single operations that change who may do what, or what is recorded, in services that do other things too.
fn administers(service: &str, operation: &str) -> bool {
    let leading = leading_word(operation);
    let writes =
        matches!(leading, "Put" | "Set" | "Add" | "Create" | "Update" | "Modify" | "Delete" | "Remove");
    if writes && (operation.ends_with("ResourcePolicy") || operation.ends_with("Permission")) {
        return true;
    }
    match service {
        "s3" => {
            writes
                && ["BucketPolicy", "Acl", "PublicAccessBlock", "OwnershipControls", "BucketLogging"]
                    .iter()
                    .any(|part| operation.ends_with(part))
        }
        "ec2" => matches!(
            operation,
            "CreateFlowLogs" | "DeleteFlowLogs" | "ModifyImageAttribute" | "ModifySnapshotAttribute"
        ),
        "eks" => {
            operation.contains("AccessEntry") && writes
                || operation.ends_with("AssociateAccessPolicy")
                || operation.ends_with("DisassociateAccessPolicy")
                || operation.ends_with("PodIdentityAssociation") && writes
        }
        "ecr" => operation.ends_with("RepositoryPolicy") && writes,
        "bedrock" => operation.ends_with("ModelInvocationLoggingConfiguration") && writes,
        "route53resolver" => operation.ends_with("QueryLogConfig") && writes,
        "wafv2" => operation.ends_with("LoggingConfiguration") && writes,
        "rds" => operation.ends_with("ActivityStream"),
        _ => false,
    }
}

fn authenticates(service: &str, operation: &str) -> bool {
    match service {
        "signin" => true,
        "sso" => matches!(operation, "Authenticate" | "Federate" | "Logout" | "StartDeviceAuthorization"),
        _ => false,
    }
}

/// The verb by the name's first word. A service whose whole business is authority has no ordinary changes.
fn ordinary(service: &str, operation: &str, read_only: Option<bool>) -> Verb {
    let verb = match read_only {
        Some(true) => Verb::Read,
        Some(false) => changing(leading_word(operation)).unwrap_or(Verb::Update),
        None => changing(leading_word(operation)).unwrap_or_else(|| reading(leading_word(operation))),
    };
    let authority = matches!(
        service,
        "access-analyzer"
            | "cloudtrail"
            | "config"
            | "guardduty"
            | "iam"
            | "identitystore"
            | "kms"
            | "organizations"
            | "ram"
            | "rolesanywhere"
            | "sso"
            | "sso-directory"
    );
    match verb {
        Verb::Create | Verb::Update | Verb::Delete if authority && !uses_a_key(service, operation) => {
            Verb::Admin
        }
        verb => verb,
    }
}

/// KMS operations that use a key and change nothing.
fn uses_a_key(service: &str, operation: &str) -> bool {
    service == "kms" && matches!(operation, "Encrypt" | "Sign" | "GenerateMac")
}

fn changing(word: &str) -> Option<Verb> {
    Some(match word {
        "Create" | "Run" | "Register" | "Import" | "Allocate" | "Copy" | "Launch" | "Upload" | "Request"
        | "Provision" | "Restore" | "Publish" | "Clone" => Verb::Create,
        "Delete" | "Terminate" | "Deregister" | "Release" | "Remove" | "Purge" => Verb::Delete,
        "Put" | "Update" | "Modify" | "Set" | "Attach" | "Detach" | "Enable" | "Disable" | "Tag"
        | "Untag" | "Start" | "Stop" | "Add" | "Associate" | "Disassociate" | "Authorize" | "Revoke"
        | "Reset" | "Reboot" | "Replace" | "Change" | "Cancel" | "Rotate" | "Activate" | "Deactivate"
        | "Accept" | "Reject" => Verb::Update,
        _ => return None,
    })
}

fn reading(word: &str) -> Verb {
    match word {
        "Get" | "List" | "Describe" | "Head" | "Lookup" | "Search" | "Batch" | "Query" | "Scan"
        | "Select" | "Download" | "Check" | "Test" | "Validate" | "Verify" | "Simulate" => Verb::Read,
        _ => Verb::Unknown,
    }
}

/// `Put` of `PutBucketPolicy`.
fn leading_word(operation: &str) -> &str {
    let end = operation
        .char_indices()
        .skip(1)
        .find(|(_, letter)| letter.is_ascii_uppercase())
        .map_or(operation.len(), |(at, _)| at);
    &operation[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_told_by_its_name() {
        for (service, operation, read_only, verb) in [
            ("ec2", "DescribeInstances", Some(true), Verb::Read),
            ("ec2", "DescribeInstances", None, Verb::Read),
            ("ec2", "RunInstances", Some(false), Verb::Create),
            ("ec2", "TerminateInstances", None, Verb::Delete),
            ("ec2", "AuthorizeSecurityGroupIngress", Some(false), Verb::Update),
            ("ec2", "Frobnicate", Some(false), Verb::Update),
            ("ec2", "Frobnicate", None, Verb::Unknown),
            ("ec2", "GetPasswordData", Some(true), Verb::SecretRead),
            ("iam", "CreateUser", Some(false), Verb::Admin),
            ("iam", "ListUsers", Some(true), Verb::Read),
            ("kms", "CreateGrant", Some(false), Verb::Delegate),
            ("kms", "Decrypt", Some(true), Verb::SecretRead),
            ("kms", "GenerateDataKeyWithoutPlaintext", Some(true), Verb::SecretRead),
            ("kms", "ScheduleKeyDeletion", Some(false), Verb::Admin),
            ("kms", "Encrypt", Some(false), Verb::Update),
            ("sts", "GetCallerIdentity", Some(true), Verb::Read),
            ("sts", "AssumeRole", Some(true), Verb::Delegate),
            ("s3", "PutBucketPolicy", Some(false), Verb::Admin),
            ("s3", "PutObject", Some(false), Verb::Update),
            ("s3", "GetObject", Some(true), Verb::Read),
            ("lambda", "AddPermission", Some(false), Verb::Admin),
            ("lambda", "Invoke", Some(false), Verb::Exec),
            ("ssm", "StartSession", Some(false), Verb::Exec),
            ("signin", "ConsoleLogin", Some(false), Verb::Auth),
            ("cloudtrail", "StopLogging", Some(false), Verb::Admin),
            ("eks", "DescribeAccessEntry", Some(true), Verb::Read),
            ("eks", "CreateAccessEntry", Some(false), Verb::Admin),
            ("x", "Été", None, Verb::Unknown),
        ] {
            let found =
                special(service, operation).unwrap_or_else(|| ordinary(service, operation, read_only));
            assert_eq!(found, verb, "{service} {operation}");
        }
    }
}
