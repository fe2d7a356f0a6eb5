"""Votes carried onto lines that the precincts were not drawn for, beside what was counted on them: the state's file of
2018 names the congressional district of every precinct, so its own sums by district are the published totals, and VEST's
votes of 2018 lie on the precincts of 2020. Usage: lines.py DATA URL"""

import collections
import csv
import io
import json
import os
import sys
import urllib.request
import zipfile

import common

data, url = sys.argv[1:]
PARTIES = {"DEMOCRAT": "DEM", "REPUBLICAN": "REP"}

with zipfile.ZipFile(os.path.join(data, "results", "co", "2018-co-precinct-general.zip")) as archive:
    rows = list(csv.DictReader(io.TextIOWrapper(archive.open(archive.namelist()[0]), encoding="utf-8", newline="")))
precinct = lambda row: (row["county_fips"], row["precinct"])
district = {precinct(row): f"CO-CD-{int(row['district']):02}" for row in rows if row["office"] == "US HOUSE"}
published = collections.Counter()
for row in rows:
    if row["office"] == "GOVERNOR" and row["party_detailed"] in PARTIES and precinct(row) in district:
        published[district[precinct(row)], PARTIES[row["party_detailed"]]] += float(row["votes"])

ids = sorted(set(district.values()))
plan = [common.get(url, f"/v1/districts/congressional/{id}/boundary", vintage=2012) for id in ids]
body = json.dumps({"type": "FeatureCollection", "features": plan}).encode()
request = urllib.request.Request(url + "/v1/reports/shape", data=body, headers={"content-type": "application/json"})
carried = {
    (row["id"], result["party"]): result
    for row in json.load(urllib.request.urlopen(request))["rows"]
    for result in row["results"]
    if result["source"] == "vest_2018" and result["contest"] == "governor" and result["party"] in PARTIES.values()
}
if len(ids) != 7 or set(carried) != set(published):
    common.fail(f"other districts or parties: {set(carried) ^ set(published)}")
farthest = 0.0
for key, votes in published.items():
    told = carried[key]
    # VEST shared absentee votes out over precincts and rounded each to a whole vote.
    rounding = votes * 2e-4
    if not told["low"] - rounding <= votes <= told["high"] + rounding:
        common.fail(f"{key}: {votes:.0f} published, told {told['low']:.0f} to {told['high']:.0f}")
    farthest = max(farthest, abs(told["votes"] - votes) / votes)
# The figures themselves are far nearer than their bounds.
if farthest > 0.01:
    common.fail(f"a district is {farthest:.1%} from its published total")
print(f"{len(published)} published totals lie within the bounds, the farthest {farthest:.2%} from the figure told")
