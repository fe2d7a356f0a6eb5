"""Makes a lake as an older program left it: without one column of a table, in its files and in its log. With `after` it
tells whether the table has the column again and what the older rows have in it. Usage: older.py LAKE TABLE COLUMN [after]"""

import glob
import json
import os
import sys
import urllib.parse

import pyarrow.parquet as parquet

import common

lake, name, column = sys.argv[1:4]
folder = os.path.join(lake, "tables", name)
if len(sys.argv) > 4:
    table = common.table(lake, name)
    if column not in table.column_names:
        common.fail(f"{name} has no {column}")
    print(f"{table.num_rows} rows, {table.num_rows - table[column].null_count} with {column}")
    sys.exit()
for path in glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True):
    table = parquet.ParquetFile(path).read()
    parquet.write_table(table.drop_columns([column]), path)
for path in glob.glob(os.path.join(folder, "_delta_log", "*.json")):
    with open(path) as file:
        actions = [json.loads(line) for line in file]
    for action in actions:
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            schema["fields"] = [field for field in schema["fields"] if field["name"] != column]
            action["metaData"]["schemaString"] = json.dumps(schema)
        if "add" in action:
            action["add"]["size"] = os.path.getsize(os.path.join(folder, urllib.parse.unquote(action["add"]["path"])))
    with open(path, "w") as file:
        file.writelines(json.dumps(action) + "\n" for action in actions)
