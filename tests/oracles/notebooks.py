"""Runs the code of every notebook against a server, and compares the client's frames with the server's JSON.
Usage: notebooks.py FOLDER URL"""

import glob
import json
import os
import sys

folder, os.environ["BELLWETHER_URL"] = sys.argv[1:]
sys.path.insert(0, folder)

import bellwether  # noqa: E402
import common  # noqa: E402

here = bellwether.Bellwether()
where = {"all": [bellwether.field("party", among=["DEM", "UNA"]), bellwether.voted(last=2, at_least=1)]}
frame = here.aggregates(where, by=["county", "age_band"], measures=["voters", "doors", {"mean": "age"}])
rows = here.json("/v1/aggregates", {"where": where, "by": ["county", "age_band"], "measures": ["voters", "doors", {"mean": "age"}]})["rows"]
if frame.to_dicts() != [{name: row[name] for name in frame.columns} for row in rows] or not rows:
    common.fail("aggregates differ between Arrow and JSON")
if frame["voters"].sum() != here.count(where)["voters"]:
    common.fail("the groups do not sum to the count")
members = here.universe("of the client", where).voters(["voter_id", "party", "age"])
if members.height != here.count(where)["voters"] or set(members["party"]) != {"DEM", "UNA"}:
    common.fail("the members are not those that are counted")
if here.sql("SELECT count(*) AS n FROM voters WHERE party = $1", "DEM")["n"][0] != here.count(bellwether.field("party", eq="DEM"))["voters"]:
    common.fail("SQL and the filter count differently")
people = here.sql(
    "SELECT voter_id AS id, last_name, first_name, birth_year, address, zip FROM voters WHERE address IS NOT NULL ORDER BY voter_id LIMIT 1200"
)
for list in (people[:20], people):
    found = here.match(list)
    right = (found["id"] == found["voter_id"]).sum()
    if found["id"].to_list() != list["id"].to_list() or right < 0.98 * list.height:
        common.fail(f"{right} of {list.height} voters are found by what their own file says")
try:
    here.count({"field": "parti", "eq": "DEM"})
    common.fail("a faulty filter was answered")
except bellwether.BellwetherError as error:
    if error.status != 400 or "party" not in str(error):
        common.fail(f"the fault is not told: {error}")
for path in sorted(glob.glob(os.path.join(folder, "*.ipynb"))):
    cells = [cell for cell in json.load(open(path))["cells"] if cell["cell_type"] == "code"]
    names = {}
    for cell in cells:
        exec("".join(cell["source"]), names)
    print(os.path.basename(path), len(cells), "cells ran")
