"""Compares every district's report with SQL over the lake's files, run by an outside DuckDB.
With a third argument
it fails unless some precinct that a line cuts is shared out by that. Usage: reports.py LAKE URL [voters | people]"""

import collections
import sys

import duckdb
import pyarrow as pa
import shapely

import common

lake, url = sys.argv[1:3]
names = ["voters", "voter_history", "voter_districts", "geocodes", "results", "precinct_districts", "media_markets", "boundaries"]
for name in names:
    globals()[name] = common.table(lake, name)
    duckdb.register(name, globals()[name])

columns = {
    "state": "d.state", "county": "d.county", "congressional": "d.congressional", "state_senate": "d.state_senate",
    "state_house": "d.state_house", "precinct": "d.precinct", "media_market": "d.media_market",
}
dimensions = {"party": "v.party", "gender": "v.gender", "status": "v.status"}
# Shares of the oracle's own: by the voters of each part whose address was matched, where there are ten, else by its
# people with the area as one more point, else by area.
living = collections.Counter()
for row in duckdb.sql(
    """SELECT d.precinct, d.congressional, d.state_senate, d.state_house FROM voter_districts d
    JOIN geocodes g USING (state, voter_id) WHERE g.quality = 'address'"""
).fetchall():
    for kind, district in zip(("congressional", "state_senate", "state_house"), row[1:]):
        living[row[0], kind, district] += 1
parts = collections.defaultdict(list)
for precinct, kind, district, share in duckdb.sql(
    "SELECT precinct_id, kind, district_id, share FROM precinct_districts"
).fetchall():
    parts[precinct, kind].append((district, share))
centres = common.table(lake, "population_centres")
points = shapely.points(centres["longitude"].to_numpy(), centres["latitude"].to_numpy())
people = centres["population"].to_numpy()
outlines = {}
for id, kind, vintage, geometry in duckdb.sql(
    "SELECT district_id, kind, vintage, geometry FROM boundaries ORDER BY vintage"
).fetchall():
    outlines[kind, id] = vintage, shapely.from_wkb(geometry)
newest = {kind: max(vintage for (of, _), (vintage, _) in outlines.items() if of == kind) for kind, _ in outlines}
inside = lambda kind, id: shapely.covers(outlines[kind, id][1], points)
of_district = {
    (kind, id): inside(kind, id) for (kind, id), (vintage, _) in outlines.items() if kind != "precinct" and vintage == newest[kind]
}
rows, by_voters, by_people = [], 0, 0
for (precinct, kind), pieces in parts.items():
    voters = [living[precinct, kind, district] for district, _ in pieces]
    cut = len(pieces) > 1 and sum(voters) >= 10
    by_voters += cut
    here = inside("precinct", precinct) if len(pieces) > 1 and not cut else None
    lives = [people[here & of_district[kind, district]] for district, _ in pieces] if here is not None else [people[:0]]
    total, points_within = sum(part.sum() for part in lives), sum(len(part) for part in lives)
    by_people += total > 0
    for at, ((district, share), count) in enumerate(zip(pieces, voters)):
        if cut:
            share = count / sum(voters)
        elif total > 0:
            share = (lives[at].sum() + total / points_within * share) / (total + total / points_within)
        rows.append((precinct, kind, district, share))
if len(sys.argv) > 3 and not {"voters": by_voters, "people": by_people}[sys.argv[3]]:
    common.fail(f"no precinct is shared out by its {sys.argv[3]}")
carried = pa.table(dict(zip(["precinct_id", "kind", "district_id", "share"], map(list, zip(*rows)))))
scored = "scores" in common.release(lake)["tables"]
if scored:
    scores = common.table(lake, "scores")
checked = 0
for kind, column in columns.items():
    want = collections.defaultdict(dict)
    for dimension, value in dimensions.items():
        for district, code, count in duckdb.sql(
            f"SELECT {column}, {value}, count(*) FROM voters v JOIN voter_districts d USING (state, voter_id) GROUP BY ALL"
        ).fetchall():
            want[district].setdefault(dimension, {})[code] = count
    turnout = collections.defaultdict(dict)
    for district, election, count in duckdb.sql(
        f"""SELECT {column}, election, count(DISTINCT h.state || h.voter_id) FROM voter_history h JOIN voter_districts d USING (state, voter_id)
        WHERE h.voted GROUP BY ALL"""
    ).fetchall():
        turnout[district][election] = count
    spread = collections.defaultdict(lambda: collections.defaultdict(dict))
    if scored:
        for district, model, band, count, total in duckdb.sql(
            f"""SELECT {column}, s.model, least(floor(s.score::FLOAT / 10), 9)::INTEGER * 10, count(*), sum(s.score)
            FROM scores s JOIN voter_districts d USING (state, voter_id) GROUP BY ALL"""
        ).fetchall():
            spread[district][model][f"{band}-{band + 10}"] = count, total
    results = collections.defaultdict(lambda: collections.defaultdict(float))
    if kind in ("congressional", "state_senate", "state_house"):
        rows = duckdb.sql(
            f"""SELECT coalesce(r.{kind}_named, s.district_id), r.election, r.contest, r.candidate, r.party_raw,
            sum(r.votes * CASE WHEN r.{kind}_named IS NULL THEN s.share ELSE 1 END)
            FROM results r LEFT JOIN carried s ON s.kind = '{kind}' AND s.precinct_id = r.precinct_id
            GROUP BY ALL"""
        ).fetchall()
        for district, election, contest, candidate, party, votes in rows:
            results[district][election, contest, candidate, party] += votes
    elif kind in ("county", "state"):
        place = "county_fips" if kind == "county" else "state"
        for district, election, contest, candidate, party, votes in duckdb.sql(
            f"SELECT {place}, election, contest, candidate, party_raw, sum(votes) FROM results GROUP BY ALL"
        ).fetchall():
            results[district][election, contest, candidate, party] += votes
    ids = [row["id"] for row in common.get(url, "/v1/districts", kind=kind, limit=100000)["rows"]]
    for district in ids if kind != "precinct" else ids[::20]:
        report = common.get(url, f"/v1/districts/{kind}/{district}/report")
        for dimension in dimensions:
            if report["registration"].get(dimension, {}) != want[district].get(dimension, {}):
                common.fail(f"{kind} {district}: registration by {dimension} differs")
        got = {row["election"]: row["voters"] for row in report["turnout"]}
        if got != turnout[district]:
            common.fail(f"{kind} {district}: turnout differs: {got} {turnout[district]}")
        got = {row["model"]: row for row in report["scores"]}
        if set(got) != set(spread[district]):
            common.fail(f"{kind} {district}: scores of other models")
        for model, bands in spread[district].items():
            voters = sum(count for count, _ in bands.values())
            mean = sum(total for _, total in bands.values()) / voters
            if got[model]["bands"] != {band: count for band, (count, _) in bands.items()} or got[model]["voters"] != voters:
                common.fail(f"{kind} {district}: scores of {model} are spread otherwise")
            if abs(got[model]["mean"] - mean) > 1e-3:
                common.fail(f"{kind} {district}: mean score of {model} differs")
        if kind in ("congressional", "state_senate", "state_house", "county", "state"):
            got = {(r["election"], r["contest"], r["candidate"], r["party_raw"]): r["votes"] for r in report["results"]}
            if set(got) != set(results[district]):
                common.fail(f"{kind} {district}: other contests than the outside engine finds")
            worst = max((abs(got[key] - results[district][key]) for key in got), default=0)
            if worst > 1e-6:
                common.fail(f"{kind} {district}: votes differ by {worst}")
        checked += 1
print(f"{checked} reports agree")
