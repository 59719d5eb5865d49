"""Scores records by one query of DuckDB, for the bench's comparison.

python3 scoring.py records.csv load.sql query.sql scores.csv threads rounds: prints one line of JSON."""
import json
import resource
import sys
import time

import duckdb

records, load, query, scores, threads, rounds = sys.argv[1:]
text = lambda path: open(path, encoding="utf-8").read()
base = duckdb.connect(config={"threads": int(threads)})
base.execute(text(load).replace("{records}", records))
held = base.execute("SELECT count(*) FROM records").fetchone()[0]
times, spent = [], []
for _ in range(int(rounds)):
    base.execute("DROP TABLE IF EXISTS scored")
    started, busy = time.perf_counter(), time.process_time()
    base.execute("CREATE TABLE scored AS " + text(query))
    times.append(time.perf_counter() - started)
    spent.append(time.process_time() - busy)
base.execute(f"COPY (SELECT subject, score, grade FROM scored ORDER BY subject) TO '{scores}' (HEADER false)")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
answer = {"version": duckdb.__version__, "records": held, "seconds": times, "cpu": spent, "peakMib": peak}
print(json.dumps(answer))
