"""Loads lines of JSON into a ClickHouse MergeTree table by way of chDB, as a user without Ascribe would, and prints
what it took.

Arguments: the kind of log, the number of threads, the folder to create, then one or more patterns of input files.
The columns are inferred from the first lines (ClickHouse's default, 25,000), as `JSONEachRow` does.
"""

import json
import sys
import time

from chdb import __version__
from chdb.session import Session

kind, threads, folder, *patterns = sys.argv[1:]
if kind not in ("vault", "kubernetes") or len(patterns) != 1:
    sys.exit(f"cannot load `{kind}` from {len(patterns)} patterns")
session = Session(folder)
# The engine is at work before the clock starts, as DuckDB is.
session.query("SELECT 1")
start, processor_start = time.perf_counter(), time.process_time()
session.query(
    f"""
    CREATE TABLE events ENGINE = MergeTree ORDER BY tuple()
    AS SELECT * FROM file('{patterns[0]}', 'JSONEachRow')
    SETTINGS max_threads = {int(threads)}, max_insert_threads = {int(threads)}
    """
)
seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
events = int(str(session.query("SELECT count() FROM events", "TabSeparated")))
figures = {"version": __version__, "seconds": seconds, "processor_seconds": processor_seconds, "events": events}
print(json.dumps(figures))
session.close()
