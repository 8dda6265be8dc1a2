"""Chooses keys in a store and fetches the rows of each with DuckDB, as somebody without Ascribe would, and says how long
each took. Of some identities it also asks what a timeline asks: the first events of it, of the credentials that it used, and
of those that it handed on with them.

Arguments: the folder of the store, the number of threads, and how many keys of each class. The files are those that the
newest manifest names; they are listed and their metadata is cached before the clock starts.
"""

import glob
import json
import re
import sys
import time

import duckdb

store, threads, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# A timeline in SQL reads the table of keys several times: a few identities are enough.
TIMELINES = 5
newest = max(glob.glob(store + "/manifest/*.json"), key=lambda path: int(re.findall(r"\d+", path)[-1]))
with open(newest) as file:
    segments = json.load(file)["manifest"]["segments"]


def files(table):
    found = []
    for segment in segments:
        name = "%d-%d" % (segment["first"], segment["end"])
        found += glob.glob("%s/segment/%s/%s.parquet" % (store, name, table))
        found += glob.glob("%s/%s/*/%s.parquet" % (store, table, name))
    return ", ".join("'%s'" % file for file in found)


db = duckdb.connect(config={"threads": threads})
db.execute("SET enable_progress_bar = false")
db.execute("SET TimeZone = 'UTC'")
db.execute("SET parquet_metadata_cache = true")
for table in ("events", "keys"):
    db.execute("CREATE VIEW %s AS FROM read_parquet([%s], hive_partitioning = false)" % (table, files(table)))

CLASSES = {
    "credential": ("credential", "count(*) BETWEEN 20 AND 60"),
    "identity": ("actor_uid", "count(*) BETWEEN 700 AND 1500"),
    "event": ("event_id", None),
}
TIMELINE = """
WITH used AS MATERIALIZED (
    SELECT DISTINCT credential AS value FROM events WHERE actor_uid = $key AND credential IS NOT NULL),
handed AS MATERIALIZED (
    SELECT DISTINCT issued.value FROM keys AS parent JOIN keys AS issued USING (leaf, ordinal)
    WHERE parent.role = 'parent' AND issued.role = 'issued' AND parent.value IN (FROM used)),
listed AS MATERIALIZED (
    SELECT leaf, ordinal FROM keys WHERE role IN ('actor', 'behalf', 'subject') AND value = $key
    UNION SELECT leaf, ordinal FROM keys
    WHERE role IN ('used', 'presented', 'issued', 'ended', 'enabled', 'resource')
        AND value IN (FROM used UNION FROM handed))
SELECT COLUMNS(*)::VARCHAR FROM events SEMI JOIN listed USING (leaf, ordinal) ORDER BY time LIMIT 200
"""


def timed(query, given):
    start, processor_start = time.perf_counter(), time.process_time()
    found = db.execute(query, given).fetchall()
    return len(found), time.perf_counter() - start, time.process_time() - processor_start


classes = {}
for name, (column, condition) in CLASSES.items():
    if condition is None:
        query = "SELECT %s FROM events ORDER BY hash(%s) LIMIT %d" % (column, column, count)
    else:
        query = "SELECT {0} FROM events WHERE {0} IS NOT NULL GROUP BY {0} HAVING {1} ORDER BY hash({0}) LIMIT {2}".format(
            column, condition, count)
    keys = [row[0] for row in db.execute(query).fetchall()]
    # Moments are cast because a row of Python objects is what is asked for, not a time zone library.
    fetch = "SELECT COLUMNS(*)::VARCHAR FROM events WHERE %s = ?" % column
    rows, seconds, processor, timelines = [], [], [], []
    for turn in range(2):
        for key in keys:
            found, took, worked = timed(fetch, [key])
            if turn == 1:
                rows.append(found)
                seconds.append(took)
                processor.append(worked)
        if name == "identity":
            timelines = [timed(TIMELINE, {"key": key})[1] for key in keys[:TIMELINES]]
    classes[name] = {
        "keys": keys, "rows": rows, "seconds": seconds, "processor_seconds": processor, "timeline_seconds": timelines}
print(json.dumps({"version": duckdb.__version__, "classes": classes}))
