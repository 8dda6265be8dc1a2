"""Loads logs into a DuckDB file, as a user without Ascribe would, and prints what it took.

Arguments: the kind of log, the number of threads, the database file to create, then one or more patterns of input
files. The columns are typed and named up front, which is the fastest way DuckDB offers; nothing is sampled or guessed.
Members that differ from record to record (parameters, bodies, data) are of its type JSON.
"""

import json
import sys
import time

import duckdb

CLOUDTRAIL = """STRUCT(
    eventVersion VARCHAR,
    userIdentity STRUCT(
        "type" VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, accessKeyId VARCHAR, userName VARCHAR,
        sessionContext STRUCT(
            sessionIssuer STRUCT("type" VARCHAR, principalId VARCHAR, arn VARCHAR, accountId VARCHAR, userName VARCHAR),
            attributes STRUCT(creationDate TIMESTAMP, mfaAuthenticated VARCHAR))),
    eventTime TIMESTAMP, eventSource VARCHAR, eventName VARCHAR, awsRegion VARCHAR, sourceIPAddress VARCHAR,
    userAgent VARCHAR, errorCode VARCHAR, errorMessage VARCHAR, requestParameters JSON, responseElements JSON,
    additionalEventData JSON, requestID VARCHAR, eventID VARCHAR, readOnly BOOLEAN,
    resources STRUCT(accountId VARCHAR, "type" VARCHAR, ARN VARCHAR)[],
    eventType VARCHAR, managementEvent BOOLEAN, recipientAccountId VARCHAR, eventCategory VARCHAR,
    tlsDetails STRUCT(tlsVersion VARCHAR, cipherSuite VARCHAR, clientProvidedHostHeader VARCHAR))[]"""

VAULT_AUTH = """STRUCT(
    client_token VARCHAR, accessor VARCHAR, display_name VARCHAR, policies VARCHAR[], token_policies VARCHAR[],
    policy_results STRUCT(
        allowed BOOLEAN, granting_policies STRUCT("name" VARCHAR, namespace_id VARCHAR, "type" VARCHAR)[]),
    metadata JSON, entity_id VARCHAR, token_type VARCHAR, token_ttl BIGINT, token_issue_time TIMESTAMP)"""

VAULT = {
    "time": "TIMESTAMP_NS",
    "type": "VARCHAR",
    "auth": VAULT_AUTH,
    "request": """STRUCT(
        id VARCHAR, client_id VARCHAR, client_token VARCHAR, client_token_accessor VARCHAR, operation VARCHAR,
        mount_type VARCHAR, mount_accessor VARCHAR, mount_class VARCHAR, "namespace" STRUCT(id VARCHAR), path VARCHAR,
        "data" JSON, remote_address VARCHAR, remote_port INTEGER)""",
    "response": f"""STRUCT(
        mount_type VARCHAR, mount_accessor VARCHAR, mount_class VARCHAR, secret STRUCT(lease_id VARCHAR), auth {VAULT_AUTH}, "data" JSON)""",
    "error": "VARCHAR",
}

KUBERNETES = {
    "kind": "VARCHAR",
    "apiVersion": "VARCHAR",
    "level": "VARCHAR",
    "auditID": "UUID",
    "stage": "VARCHAR",
    "requestURI": "VARCHAR",
    "verb": "VARCHAR",
    "user": """STRUCT(
        username VARCHAR, uid VARCHAR, groups VARCHAR[],
        extra STRUCT(
            "authentication.kubernetes.io/credential-id" VARCHAR[], "authentication.kubernetes.io/node-name" VARCHAR[],
            "authentication.kubernetes.io/node-uid" VARCHAR[], "authentication.kubernetes.io/pod-name" VARCHAR[],
            "authentication.kubernetes.io/pod-uid" VARCHAR[]))""",
    "sourceIPs": "VARCHAR[]",
    "userAgent": "VARCHAR",
    "objectRef": """STRUCT(
        resource VARCHAR, "namespace" VARCHAR, "name" VARCHAR, uid VARCHAR, apiGroup VARCHAR, apiVersion VARCHAR,
        resourceVersion VARCHAR, subresource VARCHAR)""",
    "responseStatus": """STRUCT(status VARCHAR, message VARCHAR, reason VARCHAR, code INTEGER)""",
    "requestObject": "JSON",
    "responseObject": "JSON",
    "requestReceivedTimestamp": "TIMESTAMP",
    "stageTimestamp": "TIMESTAMP",
    "annotations": """STRUCT(
        "authorization.k8s.io/decision" VARCHAR, "authorization.k8s.io/reason" VARCHAR,
        "authentication.kubernetes.io/issued-credential-id" VARCHAR)""",
}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def lines(columns):
    typed = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    return f"SELECT * FROM read_json(?, columns = {{{typed}}}, format = 'newline_delimited')"


QUERIES = {
    "cloudtrail": f"""
        SELECT record.* FROM (
            SELECT unnest(Records) AS record
            FROM read_json(?, columns = {{Records: {quoted(CLOUDTRAIL)}}}, format = 'unstructured', records = true,
                           maximum_object_size = 67108864))""",
    "vault": lines(VAULT),
    "kubernetes": lines(KUBERNETES),
}

kind, threads, database, *patterns = sys.argv[1:]
connection = duckdb.connect(database, config={"threads": int(threads)})
connection.execute("SET enable_progress_bar = false")
start, processor_start = time.perf_counter(), time.process_time()
connection.execute(f"CREATE TABLE events AS {QUERIES[kind]}", [patterns])
connection.execute("CHECKPOINT")
seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
(events,) = connection.execute("SELECT count(*) FROM events").fetchone()
figures = {
    "version": duckdb.__version__,
    "seconds": seconds,
    "processor_seconds": processor_seconds,
    "events": events,
}
print(json.dumps(figures))
