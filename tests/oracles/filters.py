"""Random filters from a grammar of its own: counts, groups and member lists over HTTP against SQL over the lake's files,
run by an outside DuckDB. Usage: filters.py LAKE URL HOW_MANY [SEED]"""

import http.client
import json
import random
import sys
import urllib.parse

import duckdb

import common

lake, url, how_many = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 20201103)
for name in ["voters", "voter_history", "voter_districts", "geocodes", "scores", "contacts"]:
    globals()[name] = common.table(lake, name)
    duckdb.register(name, globals()[name])

# One row a voter with everything that a filter may ask for, made from the four tables by SQL of the oracle's own.
duckdb.sql("""CREATE TABLE one AS
WITH latest AS (SELECT state, max(year(registered_on)) AS year FROM voters GROUP BY state),
history AS (SELECT state, voter_id, list(DISTINCT election) AS elections FROM voter_history WHERE voted GROUP BY ALL),
scored AS (SELECT state, voter_id, max(score) FILTER (model = 'turnout') AS turnout,
  max(score) FILTER (model = 'support') AS support FROM scores GROUP BY ALL),
contacted AS (SELECT state, voter_id, list(result) AS results FROM contacts GROUP BY ALL)
SELECT v.state, v.voter_id, v.party, v.gender, v.race, v.ethnicity, v.status, v.zip, v.city, v.birth_year,
  v.registered_on, v.party_since, v.phone,
  CASE WHEN l.year - v.birth_year BETWEEN 0 AND 120 THEN l.year - v.birth_year END AS age,
  v.match_key AS door, coalesce(v.unit_type, '') || '/' || coalesce(v.unit_number, '') AS unit,
  d.county, d.congressional, d.state_senate, d.state_house, d.precinct, d.media_market,
  g.longitude, g.latitude, g.quality AS located, coalesce(h.elections, []) AS elections,
  s.turnout, s.support, coalesce(c.results, []) AS results
FROM voters v JOIN latest l USING (state)
LEFT JOIN voter_districts d USING (state, voter_id) LEFT JOIN geocodes g USING (state, voter_id)
LEFT JOIN history h USING (state, voter_id) LEFT JOIN scored s USING (state, voter_id)
LEFT JOIN contacted c USING (state, voter_id)""")
elections = [row[0] for row in duckdb.sql("SELECT DISTINCT unnest(elections) AS e FROM one ORDER BY e DESC").fetchall()]
kinds = ["state", "county", "congressional", "state_senate", "state_house", "precinct", "media_market"]
texts = ["party", "gender", "race", "ethnicity", "status", "zip", "city", "located"]
known = {
    name: [row[0] for row in duckdb.sql(f"SELECT DISTINCT {name} FROM one WHERE {name} IS NOT NULL ORDER BY 1").fetchall()]
    for name in kinds + texts
}
west, east, south, north = duckdb.sql(
    "SELECT min(longitude), max(longitude), min(latitude), max(latitude) FROM one").fetchone()


def quoted(values):
    return ", ".join("'" + str(value).replace("'", "''") + "'" for value in values)


def holds(sql):
    """A condition on what is not known does not hold."""
    return f"coalesce({sql}, false)"


def condition():
    kind = rng.choice(["text", "text", "number", "day", "null", "district", "district", "voted", "voted", "within", "score", "contact"])
    if kind == "text":
        field = rng.choice([name for name in texts if known[name]])
        values = rng.sample(known[field], min(len(known[field]), rng.randint(1, 4)))
        if len(values) == 1 and rng.random() < 0.5:
            return {"field": field, "eq": values[0]}, holds(f"{field} = {quoted(values)}")
        return {"field": field, "in": values}, holds(f"{field} IN ({quoted(values)})")
    if kind == "number":
        field, low, high = rng.choice([("age", 15, 105), ("birth_year", 1910, 2005)])
        a, b = sorted([rng.randint(low, high), rng.randint(low, high)])
        form = rng.random()
        if form < 0.2:
            return {"field": field, "eq": a}, holds(f"{field} = {a}")
        if form < 0.4:
            return {"field": field, "between": [a, None]}, holds(f"{field} >= {a}")
        if form < 0.5:
            return {"field": field, "between": [a - 0.5, b + 0.5]}, holds(f"{field} BETWEEN {a} AND {b}")
        return {"field": field, "between": [a, b]}, holds(f"{field} BETWEEN {a} AND {b}")
    if kind == "day":
        field = rng.choice(["registered_on", "party_since"])
        a, b = sorted(f"{rng.randint(1975, 2021)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}" for _ in range(2))
        return {"field": field, "between": [a, b]}, holds(f"{field} BETWEEN DATE '{a}' AND DATE '{b}'")
    if kind == "null":
        field, yes = rng.choice(["race", "birth_year", "party_since", "zip", "age", "phone"]), rng.random() < 0.5
        sql = "nullif(regexp_replace(phone, '[^0-9]', '', 'g'), '')" if field == "phone" else field
        return {"field": field, "is_null": yes}, f"({sql} IS {'' if yes else 'NOT '}NULL)"
    if kind == "district":
        of = rng.choice([kind for kind in kinds if known[kind]])
        ids = rng.sample(known[of], min(len(known[of]), rng.randint(1, 3)))
        if len(ids) == 1:
            return {"district": {"kind": of, "id": ids[0]}}, holds(f"{of} = {quoted(ids)}")
        return {"district": {"kind": of, "in": ids}}, holds(f"{of} IN ({quoted(ids)})")
    if kind == "voted":
        if rng.random() < 0.5:
            chosen = rng.sample(elections, rng.randint(1, len(elections)))
            body = {"in": chosen}
        else:
            count = rng.randint(1, len(elections) + 1)
            body, chosen = {"last": count}, elections[:count]
            if rng.random() < 0.5:
                body["type"] = "general"
                chosen = [name for name in elections if name.endswith("/general")][:count]
        turnout = f"len(list_intersect(elections, [{quoted(chosen)}]))"
        at_least = rng.randint(0, len(chosen) + 1)
        if rng.random() < 0.3:
            return {"voted": body}, f"({turnout} >= 1)"
        if rng.random() < 0.5:
            return {"voted": {**body, "at_least": at_least}}, f"({turnout} >= {at_least})"
        return {"voted": {**body, "at_most": at_least}}, f"({turnout} <= {at_least})"
    if kind == "score":
        model, (a, b) = rng.choice(["turnout", "support"]), sorted(round(rng.uniform(0, 100), 1) for _ in range(2))
        if rng.random() < 0.3:
            return {"score": {"model": model, "between": [a, None]}}, holds(f"{model} >= {a}")
        return {"score": {"model": model, "between": [a, b]}}, holds(f"{model} BETWEEN {a} AND {b}")
    if kind == "contact":
        # Contacts lie years back, so that days are counted from the release only roughly.
        body, sql = {}, "len(results) > 0"
        if rng.random() < 0.7:
            chosen = rng.sample(["canvassed", "not_home", "refused", "moved", "left_message"], rng.randint(1, 3))
            body, sql = {"result": chosen}, f"len(list_intersect(results, [{quoted(chosen)}])) > 0"
        if rng.random() < 0.3:
            days = rng.choice([3, 36500])
            body, sql = body | {"within_days": days}, sql if days > 3 else "false"
        return {"contact": body}, f"({sql})"
    x = sorted(rng.uniform(west, east) for _ in range(2))
    y = sorted(rng.uniform(south, north) for _ in range(2))
    ring = [[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]], [x[0], y[0]]]
    box = f"longitude BETWEEN {x[0]!r} AND {x[1]!r} AND latitude BETWEEN {y[0]!r} AND {y[1]!r}"
    if rng.random() < 0.5:
        return {"within": {"type": "Polygon", "coordinates": [ring]}}, holds(box)
    # The triangle below the diagonal: a corner is cut off the box.
    triangle = f"{box} AND (latitude - {y[0]!r}) * ({x[1]!r} - {x[0]!r}) <= (longitude - {x[0]!r}) * ({y[1]!r} - {y[0]!r})"
    shape = {"type": "MultiPolygon", "coordinates": [[[ring[0], ring[1], ring[2], ring[0]]]]}
    return {"within": shape}, holds(triangle)


def grow(depth):
    if depth == 0 or rng.random() < 0.3:
        return condition()
    form = rng.choice(["all", "all", "any", "not"])
    if form == "not":
        inner, sql = grow(depth - 1)
        return {"not": inner}, f"(NOT {sql})"
    parts = [grow(depth - 1) for _ in range(rng.randint(0 if rng.random() < 0.05 else 1, 5))]
    word = " AND " if form == "all" else " OR "
    sql = word.join(sql for _, sql in parts) or ("true" if form == "all" else "false")
    return {form: [part for part, _ in parts]}, f"({sql})"


address = urllib.parse.urlparse(url)
connection = http.client.HTTPConnection(address.hostname, address.port)


def ask(method, path, body=None):
    connection.request(method, path, json.dumps(body) if body is not None else None, {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        common.fail(f"{method} {path} {json.dumps(body)}: {answer.status} {text[:500]!r}")
    return text


def differ(what, filter, want, got):
    common.fail(f"{what} differ for {json.dumps(filter)}\nwant {want}\ngot  {got}")


bands = """CASE WHEN age < 18 THEN 'under 18' WHEN age < 25 THEN '18-24' WHEN age < 35 THEN '25-34' WHEN age < 45 THEN '35-44'
    WHEN age < 55 THEN '45-54' WHEN age < 65 THEN '55-64' WHEN age < 75 THEN '65-74' WHEN age >= 75 THEN '75 and over' END"""
last = elections[:3]
keys = {name: name for name in kinds + texts + ["age", "birth_year"]}
keys |= {"age_band": bands, "registration_year": "year(registered_on)::VARCHAR"}
keys |= {"turnout_last_3": f"len(list_intersect(elections, [{quoted(last)}]))"}
groups = members = matched = 0
for index in range(how_many):
    filter, sql = grow(3)
    want = duckdb.sql(f"""SELECT count(*), count(DISTINCT CASE WHEN door IS NOT NULL THEN state || door || '|' || unit END),
        count(DISTINCT CASE WHEN door IS NOT NULL THEN state || door END),
        count(DISTINCT nullif(regexp_replace(phone, '[^0-9]', '', 'g'), '')) FROM one WHERE {sql}""").fetchone()
    got = json.loads(ask("POST", "/v1/universes/count", {"where": filter}))
    got = tuple(got[name] for name in ["voters", "households", "doors", "phones"])
    if want != got:
        differ("counts", filter, want, got)
    matched += want[0]
    if index % 3 == 0:
        by = rng.sample(sorted(keys), rng.randint(1, 3))
        asked = [{"turnout": {"last": 3}} if name == "turnout_last_3" else name for name in by]
        voted = elections[0]
        measures = ["voters", "households", "doors", {"mean": "age"}, {"mean": {"score": "turnout"}}, {"voted": voted}]
        body = {"where": filter, "by": asked, "measures": measures}
        rows = json.loads(ask("POST", "/v1/aggregates", body))["rows"]
        got = {
            tuple(row[name] for name in by): (row["voters"], row["households"], row["doors"],
                None if row["mean_age"] is None else round(row["mean_age"], 6),
                None if row["mean_turnout"] is None else round(row["mean_turnout"], 6), row[f"voted_{voted}"]) for row in rows
        }
        want = {
            tuple(row[: len(by)]): (*row[len(by) : len(by) + 3],
                None if row[-3] is None else round(row[-3], 6), None if row[-2] is None else round(row[-2], 6), row[-1])
            for row in duckdb.sql(f"""SELECT {', '.join(f'{keys[name]} AS k_{name}' for name in by)}, count(*),
                count(DISTINCT CASE WHEN door IS NOT NULL THEN state || door || '|' || unit END),
                count(DISTINCT CASE WHEN door IS NOT NULL THEN state || door END),
                avg(age), avg(turnout::FLOAT::DOUBLE), count(*) FILTER (list_contains(elections, '{voted}'))
                FROM one WHERE {sql} GROUP BY {', '.join(str(at + 1) for at in range(len(by)))}""").fetchall()
        }
        if want != got:
            wrong = [(key, want.get(key), got.get(key)) for key in want.keys() | got.keys() if want.get(key) != got.get(key)]
            differ(f"groups by {by}", filter, [one[:2] for one in wrong[:3]], [one[2] for one in wrong[:3]])
        groups += len(rows)
    if index % 10 == 0:
        universe = json.loads(ask("POST", "/v1/universes", {"name": "one of many", "where": filter}))["id"]
        path = f"/v1/universes/{universe}/voters?columns=state,voter_id,precinct,age,latitude&format=ndjson"
        rows = [json.loads(line) for line in ask("GET", path).splitlines()]
        got = sorted((row["state"], row["voter_id"], row["precinct"], row["age"], row["latitude"]) for row in rows)
        want = sorted(duckdb.sql(f"SELECT state, voter_id, precinct, age, latitude FROM one WHERE {sql}").fetchall())
        if want != got:
            differ("members", filter, want[:3], got[:3])
        ask("DELETE", f"/v1/universes/{universe}")
        members += len(rows)
if matched == 0 or groups == 0 or members == 0:
    common.fail("nothing was compared")
print(f"{how_many} filters agree: {matched} voters counted, {groups} groups, {members} members")
