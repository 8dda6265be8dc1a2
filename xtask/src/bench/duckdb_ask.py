"""Chooses keys in a store and fetches the rows of each with DuckDB, as somebody without Ascribe would, and says how long
each took.

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
newest = max(glob.glob(store + "/manifest/*.json"), key=lambda path: int(re.findall(r"\d+", path)[-1]))
with open(newest) as file:
    segments = json.load(file)["manifest"]["segments"]
files = []
for segment in segments:
    name = "%d-%d" % (segment["first"], segment["end"])
    files += glob.glob("%s/segment/%s/events.parquet" % (store, name)) + glob.glob("%s/events/*/%s.parquet" % (store, name))

db = duckdb.connect(config={"threads": threads})
db.execute("SET enable_progress_bar = false")
db.execute("SET TimeZone = 'UTC'")
db.execute("SET parquet_metadata_cache = true")
listed = ", ".join("'%s'" % file for file in files)
db.execute("CREATE VIEW events AS FROM read_parquet([%s], hive_partitioning = false)" % listed)

CLASSES = {
    "credential": ("credential", "count(*) BETWEEN 20 AND 60"),
    "identity": ("actor_uid", "count(*) BETWEEN 700 AND 1500"),
    "event": ("event_id", None),
}
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
    rows, seconds, processor = [], [], []
    for turn in range(2):
        for key in keys:
            start, processor_start = time.perf_counter(), time.process_time()
            found = db.execute(fetch, [key]).fetchall()
            if turn == 1:
                seconds.append(time.perf_counter() - start)
                processor.append(time.process_time() - processor_start)
                rows.append(len(found))
    classes[name] = {"keys": keys, "rows": rows, "seconds": seconds, "processor_seconds": processor}
print(json.dumps({"version": duckdb.__version__, "classes": classes}))
