//! Records that look like audit records and are none: what they are, so that whoever sent them is told.

use crate::json::Value;

/// A known message that is no audit record.
struct LookAlike {
    /// What it is, with its article.
    what: &'static str,
    recognises: fn(Value<'_>) -> bool,
}

const LOOK_ALIKES: &[LookAlike] = &[
    LookAlike {
        what: "an S3 event notification",
        recognises: |record| is(record, "eventSource", "aws:s3") && record.get("s3").is_some(),
    },
    LookAlike { what: "an S3 test event", recognises: |record| is(record, "Event", "s3:TestEvent") },
    LookAlike {
        what: "a CloudWatch Logs control message",
        recognises: |record| is(record, "messageType", "CONTROL_MESSAGE"),
    },
    LookAlike {
        what: "a Kubernetes object",
        recognises: |record| {
            ["apiVersion", "kind", "metadata"].iter().all(|name| record.get(name).is_some())
                && record.get("auditID").is_none()
        },
    },
    // The form of HashiCorp's go-hclog, in which Vault, Consul and others write what they do.
    LookAlike {
        what: "a message of a server's operational log",
        recognises: |record| {
            ["@level", "@message", "@timestamp"].iter().all(|name| record.get(name).is_some())
        },
    },
];

/// What `record` is, if it is a known message that is no audit record.
pub(crate) fn look_alike(record: Value<'_>) -> Option<&'static str> {
    LOOK_ALIKES.iter().find(|known| (known.recognises)(record)).map(|known| known.what)
}

fn is(record: Value<'_>, name: &str, text: &str) -> bool {
    record.get(name).is_some_and(|value| value.is_text(text))
}
