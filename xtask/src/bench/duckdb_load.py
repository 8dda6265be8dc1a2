"""Loads CloudTrail deliveries into a DuckDB file, as a user without Ascribe would, and prints what it took.

Arguments: the number of threads, the database file to create, then one or more patterns of input files.
The columns are typed and named up front, which is the fastest way DuckDB offers; nothing is sampled or guessed.
"""

import json
import sys
import time

import duckdb

RECORD = """STRUCT(
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

threads, database, *patterns = sys.argv[1:]
connection = duckdb.connect(database, config={"threads": int(threads)})
connection.execute("SET enable_progress_bar = false")
start = time.perf_counter()
connection.execute(
    f"""
    CREATE TABLE events AS SELECT record.* FROM (
        SELECT unnest(Records) AS record
        FROM read_json(?, columns = {{Records: $type${RECORD}$type$}}, format = 'unstructured', records = true,
                       maximum_object_size = 67108864))
    """.replace("$type$", "'"),
    [patterns],
)
connection.execute("CHECKPOINT")
seconds = time.perf_counter() - start
(events,) = connection.execute("SELECT count(*) FROM events").fetchone()
print(json.dumps({"version": duckdb.__version__, "seconds": seconds, "events": events}))
