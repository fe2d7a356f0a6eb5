"""Sums the source files with Python's csv and compares with the served results: VEST over every kind of district, MIT
over states and counties. Usage: results.py DATA URL"""

import collections
import csv
import io
import os
import sys
import zipfile

import common

data, url = sys.argv[1:]
folder = os.path.join(data, "results", "co")
offices = {
    "PRE": "president", "USS": "us_senate", "GOV": "governor", "ATG": "attorney_general", "SOS": "secretary_of_state",
    "TRE": "treasurer", "RGT": "regent",
}


def served(kind, source, key):
    rows = common.get(url, "/v1/results", kind=kind, state="CO", source=source, limit=1000000)["rows"]
    sums = collections.Counter()
    for row in rows:
        sums[key(row)] += row["votes"]
    return sums


def compare(what, want, got, tolerance):
    if set(want) != set(got):
        common.fail(f"{what}: other candidates: {set(want) ^ set(got)}")
    worst = max(abs(want[key] - got[key]) for key in want)
    if worst > tolerance:
        common.fail(f"{what}: differs by {worst}")
    print(what, len(want), "candidates, worst difference", worst)


for year in (2016, 2018, 2020):
    want, by_county = collections.Counter(), collections.Counter()
    with open(os.path.join(folder, f"vest_co_{year}_2020_vtd.csv"), encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for column, votes in row.items():
                if column.startswith("G") and len(column) == 10:
                    name = offices[column[3:6]], column[7:], column[6]
                    want[name] += float(votes)
                    by_county[("08" + row["COUNTYFP"], *name)] += float(votes)
    name = lambda row: (row["contest"], row["candidate"], row["party_raw"])
    for kind in ("state", "county", "congressional", "state_senate", "state_house", "precinct", "media_market"):
        compare(f"vest {year} {kind}", want, served(kind, f"vest_{year}", name), 1e-6 if kind == "state" else 0.5)
    county = lambda row: (row["district"], row["contest"], row["candidate"], row["party_raw"])
    compare(f"vest {year} by county", by_county, served("county", f"vest_{year}", county), 1e-6)

for file, source in (("2018-co-precinct-general.zip", "mit_2018"), ("2022-co-local-precinct-general.zip", "mit_2022")):
    want, by_county = collections.Counter(), collections.Counter()
    with zipfile.ZipFile(os.path.join(folder, file)) as archive:
        member = io.TextIOWrapper(archive.open(archive.namelist()[0]), encoding="utf-8", newline="")
        for row in csv.DictReader(member):
            name = " ".join(row["candidate"].split()), row["party_detailed"]
            want[name] += float(row["votes"])
            by_county[(row["county_fips"], *name)] += float(row["votes"])
    name = lambda row: (row["candidate"] or "", row["party_raw"] or "")
    compare(f"{source} state", want, served("state", source, name), 0)
    compare(f"{source} county", want, served("county", source, name), 0)
    county = lambda row: (row["district"], row["candidate"] or "", row["party_raw"] or "")
    compare(f"{source} by county", by_county, served("county", source, county), 0)
print("results agree")
