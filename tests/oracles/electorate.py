"""Compares each county's share of parties and turnout with what the generator drew from.
Usage: electorate.py LAKE DRAWN_FROM.csv"""

import csv
import sys

import duckdb

import common

lake, drawn_from = sys.argv[1:]
voters, history = common.table(lake, "voters"), common.table(lake, "voter_history")
with open(drawn_from) as file:
    want = {row["county_fips"]: row for row in csv.DictReader(file)}
counts = dict(duckdb.sql("SELECT county_fips, count(*) FROM voters GROUP BY ALL").fetchall())
parties = duckdb.sql("SELECT county_fips, party, count(*) FROM voters GROUP BY ALL").fetchall()
turnout = duckdb.sql(
    "SELECT v.county_fips, h.election_date::VARCHAR, count(*) FROM history h JOIN voters v USING (state, voter_id) GROUP BY ALL"
).fetchall()
got = {(county, what): count / counts[county] for county, what, count in parties + turnout}
for county, row in want.items():
    for what, share in row.items():
        # A county of a few invented voters cannot be nearer to a share than one voter.
        allowed = max(0.02, 1.5 / counts[county])
        if what in ("DEM", "REP", "UNA", "2016-11-08", "2018-11-06", "2020-11-03"):
            difference = abs(got.get((county, what), 0) - float(share))
            if difference > allowed:
                common.fail(f"county {county} of {counts[county]}: {what} differs by {difference:.3f}")
print(f"{len(want)} counties agree")
