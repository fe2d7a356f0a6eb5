"""Reads the sample voter files with Python's csv and checks every field against the lake's tables.
Usage: voters.py DATA LAKE LAYOUTS"""

import csv
import datetime
import os
import sys
import tomllib

import common

data, lake, layouts = sys.argv[1:]
fields = 0


def fold(text):
    return " ".join(text.replace("\x00", "").split())


def expected(column, value, table_column, masks):
    """The value that a table must hold for a source field."""
    if value == "":
        return None
    if table_column in ("birth_year",):
        return None if value in masks else int(value)
    if table_column in ("registered_on", "party_since", "election_date", "birth_date"):
        return None if value in masks else datetime.datetime.strptime(value, "%m/%d/%Y").date()
    if table_column == "confidential":
        return value == "Y"
    return value


def rows(path, encoding, delimiter):
    with open(path, encoding=encoding, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


for layout_file, state, voters_file, history_file, encoding, delimiter in (
    ("colorado.toml", "CO", "co_EX-003_Master_Voter_List_sample.csv", "co_EX-002_Voting_History_sample.csv", "utf-8-sig", ","),
    ("north_carolina.toml", "NC", "nc_ncvoter_sample.txt", "nc_ncvhis_sample.txt", "latin-1", "\t"),
):
    with open(os.path.join(layouts, layout_file), "rb") as file:
        layout = tomllib.load(file)
    table = [row for row in common.table(lake, "voters").to_pylist() if row["state"] == state]
    source = common.table(lake, f"voters_{state.lower()}_source").to_pylist()
    by_id = {row["voter_id"]: row for row in table}
    source_by_id = {row["voter_id"]: row for row in source}
    columns = {column["name"]: column for column in layout["voters"]["columns"]}
    key = next(name for name, column in columns.items() if column.get("to") == "voter_id")
    masks = layout["voters"].get("masks", [])
    sample = rows(os.path.join(data, "voterfile", voters_file), encoding, delimiter)
    if not len(sample) == len(table) == len(source) == len(by_id):
        common.fail(f"{state}: {len(sample)} rows in the file, {len(table)} and {len(source)} in the tables")
    for row in sample:
        kept, beside = by_id[row[key]], source_by_id[row[key]]
        for name, value in row.items():
            column = columns[name]
            value = fold(value) if column.get("to") == "address" else value.strip()
            place = column.get("to")
            got = kept[place] if place else beside[name.lower()]
            want = expected(column, value, place, masks)
            if got != want:
                common.fail(f"{state}: column {name} differs")
            if "code" in column:
                codes = layout["voters"]["codes"][column["code"]]
                want = codes.get(value, codes.get("*") if value else None)
                if kept[column["code"]] != want:
                    common.fail(f"{state}: code of {name} differs")
            fields += 1
    history = [row for row in common.table(lake, "voter_history").to_pylist() if row["state"] == state]
    columns = {column["name"]: column for column in layout["history"]["columns"]}
    index = {(row["voter_id"], row["election_date"], row["description"]): row for row in history}
    sample = rows(os.path.join(data, "voterfile", history_file), encoding, delimiter)
    if not len(sample) == len(history) == len(index):
        common.fail(f"{state}: {len(sample)} rows of history in the file, {len(history)} in the table")
    names = {column.get("to"): name for name, column in columns.items()}
    for row in sample:
        day = datetime.datetime.strptime(row[names["election_date"]], "%m/%d/%Y").date()
        kept = index[row[names["voter_id"]], day, row[names["description"]]]
        for name, column in columns.items():
            value = row[name].strip()
            if kept[column["to"]] != expected(column, value, column["to"], []):
                common.fail(f"{state}: history column {name} differs")
            fields += 1
        never = layout["history"].get("not_votes", [])
        if kept["voted"] != (row[names["method_raw"]] not in never):
            common.fail(f"{state}: voted differs")
        if not kept["election"].startswith(str(day)):
            common.fail(f"{state}: election id differs")
print(f"{fields} fields agree")
