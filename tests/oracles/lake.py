"""Reads every table of the newest release with Python's deltalake, and with DuckDB over the log's own file list; both
must find the rows that the release names. Usage: lake.py LAKE"""

import os
import sys

import deltalake
import duckdb

import common

lake = sys.argv[1]
for name, pinned in sorted(common.release(lake)["tables"].items()):
    delta = deltalake.DeltaTable(os.path.join(lake, "tables", name), version=pinned["version"])
    rows = delta.to_pyarrow_table().num_rows
    files = delta.file_uris()
    by_duckdb = duckdb.sql(f"SELECT count(*) FROM read_parquet({files!r})").fetchone()[0] if files else 0
    if not rows == by_duckdb == pinned["rows"]:
        common.fail(f"{name}: release {pinned['rows']}, deltalake {rows}, duckdb {by_duckdb}")
    print(name, rows)
