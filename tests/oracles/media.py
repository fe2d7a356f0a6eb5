"""Television plans, counted again by hand.

media.py reach SERVER PLAN SOURCES              what a plan promises is what the panel saw, person by person
media.py rated SERVER PLAN SOURCES              what a plan of rated programmes promises is about what the panel saw
media.py halves SOURCES FOLDER                  cuts the panel and its viewing into two halves by household: panel_a.csv, panel_b.csv
media.py held-out SERVER PAIRS FOLDER HALF          what pairs of plans (own/other,own/other) reach on a half, by household
media.py gains FILE FILE                        the gain of the plans over the others, from what held-out printed
"""

import collections
import csv
import json
import math
import random
import sys

from common import ask, expect

POOLED = 10
BANDS = [(0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55-64"), (65, "65-74"), (75, "75 and over")]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def band(age):
    return [name for least, name in BANDS if least <= age][-1]


def panel_of(path):
    people = rows(path)
    for person in people:
        person["cell"] = (person["market_code"], band(int(person["age"])), person["gender"], person["party"])
        person["weight"] = float(person["weight"])
        person["zones"] = set(filter(None, person["zones"].split(";")))
    return people


def steps(cell):
    """Who may speak for a cell: itself (there is no score group, so twice), its party, its age and gender, its market."""
    market, age, gender, party = cell
    return [("own", *cell), ("own", *cell), ("party", market, party), ("group", market, age, gender), ("market", market)]


def weights_of(server, filter, people):
    """The universe over the panel: a cell speaks for n / (n + 10) of its voters, for the rest others of the market."""
    by = ["media_market", "age_band", "gender", "party"]
    answer = ask(server, "/v1/aggregates", {"where": filter, "by": by, "measures": ["voters"]})
    known = collections.defaultdict(lambda: [0, 0.0])
    for person in people:
        for cell in set(steps(person["cell"])):
            known[cell][0] += 1
            known[cell][1] += person["weight"]
    speaks = collections.Counter()
    for row in answer["rows"]:
        cell = tuple(row[name] or "" for name in by)
        own, again, party, group, market = steps(cell)
        share = lambda step: known[step][0] / (known[step][0] + POOLED) if step in known else 0.0
        left = row["voters"]
        for step in (own, again):
            part = left * share(step)
            speaks[step] += part
            left -= part
        for step in (party, group):
            speaks[step] += left / 2 * share(step)
        speaks[market] += left / 2 * (2 - share(party) - share(group))
    return [sum(person["weight"] / known[cell][1] * speaks[cell] for cell in set(steps(person["cell"])) if speaks[cell] > 0) for person in people]


def seen_by(plan, people, viewing):
    """The chance of every person to see a spot of the plan."""
    place = {person["person_id"]: at for at, person in enumerate(people)}
    market = [person["market_code"] for person in people]
    chance = collections.defaultdict(list)
    minutes = collections.defaultdict(lambda: [0.0, 0.0])
    for row in viewing:
        at = place.get(row["person_id"])
        if at is not None:
            held = minutes[market[at], row["station"], row["programme"], at]
            held[0] += float(row["minutes"])
            held[1] += float(row["programme_minutes"])
    for (code, station, programme, at), (watched, whole) in minutes.items():
        if watched > 0:
            chance[code, station, programme].append((at, min(watched / whole, 0.98)))
    unseen = [0.0] * len(people)
    for buy in plan["buys"]:
        for at, share in chance[buy["market"], buy["station"], buy["programme"]]:
            # In a cable zone those see it who get the zone.
            if buy["zone"] and buy["zone"] not in people[at]["zones"]:
                continue
            unseen[at] += buy["units"] * math.log1p(-share)
    return [1 - math.exp(rest) for rest in unseen]


def reached_by(server, told, sources):
    """How many of its universe the panel saw a plan reach."""
    people, viewing = panel_of(f"{sources}/tv_panel_fk.csv"), rows(f"{sources}/tv_viewing_fk.csv")
    weights = weights_of(server, told["request"]["where"], people)
    return sum(weight * share for weight, share in zip(weights, seen_by(told["plan"], people, viewing)))


def reach(server, plan, sources):
    told = ask(server, f"/v1/media/plans/{plan}")
    reached = reached_by(server, told, sources)
    # Chances are kept in four bytes.
    expect(abs(told["plan"]["value"] / reached - 1) < 1e-6, f"the panel sees {reached}, the plan promises {told['plan']['value']}")
    spent = sum(buy["units"] * buy["price"] for buy in told["plan"]["buys"])
    expect(abs(spent - told["plan"]["spent"]) < 0.01 * len(told["plan"]["buys"]) + 0.01, f"the spots cost {spent}, told are {told['plan']['spent']}")
    expect(spent <= told["request"]["budget"] + 0.01, "no more is spent than there is")
    offered = {(r["market_code"], r["station"], r["zone"], r["programme"], r["week"]): r for r in rows(f"{sources}/tv_inventory_fk.csv")}
    for buy in told["plan"]["buys"]:
        offer = offered[buy["market"], buy["station"], buy["zone"], buy["programme"], buy["week"]]
        expect(buy["units"] <= int(offer["units"]) and abs(buy["price"] - float(offer["rate"])) < 0.005, "every spot is on offer at its price")
    print(json.dumps({"reached": round(reached), "voters": told["plan"]["universe"]["voters"], "gap": told["plan"]["bound"]["gap"]}))


def rated(server, plan, sources):
    """What a plan of programmes promises of which only ratings are known, beside what the panel saw of them."""
    told = ask(server, f"/v1/media/plans/{plan}")
    reached = reached_by(server, told, sources)
    off = told["plan"]["value"] / reached - 1
    print(f"{told['request']['budget']:,.0f} dollars: promised {told['plan']['value']:,.0f}, the panel saw {reached:,.0f} ({off:+.1%})")
    expect(abs(off) < 0.08, "a rated plan promises about what the panel saw")


def halves(sources, folder):
    people = rows(f"{sources}/tv_panel_fk.csv")
    for half, name in enumerate("ab"):
        own = [person for person in people if int(person["household_id"][1:]) % 2 == half]
        with open(f"{folder}/panel_{name}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, people[0].keys())
            writer.writeheader()
            writer.writerows(own)
    homes = {person["person_id"]: int(person["household_id"][1:]) % 2 for person in people}
    with open(f"{sources}/tv_viewing_fk.csv") as whole, open(f"{folder}/viewing_a.csv", "w") as a, open(f"{folder}/viewing_b.csv", "w") as b:
        header = next(whole)
        for out in (a, b):
            out.write(header)
        for line in whole:
            (a, b)[homes[line.split(",", 1)[0]]].write(line)


def held_out(server, pairs, folder, half):
    """What pairs of plans, given as own/other, reach on the half that they were not made on: by household, own and other."""
    people, viewing = panel_of(f"{folder}/panel_{half}.csv"), rows(f"{folder}/viewing_{half}.csv")
    told = {}
    for pair in pairs.split(","):
        first, second = (ask(server, f"/v1/media/plans/{plan}") for plan in pair.split("/"))
        weights = weights_of(server, first["request"]["where"], people)
        one, two = seen_by(first["plan"], people, viewing), seen_by(second["plan"], people, viewing)
        homes = collections.defaultdict(lambda: [0.0, 0.0])
        for person, weight, own, theirs in zip(people, weights, one, two):
            held = homes[person["household_id"]]
            held[0] += weight * own
            held[1] += weight * theirs
        told[first["request"]["budget"]] = list(homes.values())
    print(json.dumps(told))


def gains(*files):
    """How much more of the universe the plans reach than the other way of buying, both halves together, with the interval of
    which households were drawn, by budget."""
    dice, by_budget = random.Random(1), collections.defaultdict(list)
    for file in files:
        for budget, homes in json.load(open(file)).items():
            by_budget[float(budget)].append(homes)
    for budget, halves in sorted(by_budget.items()):
        gain = lambda drawn: sum(own for homes in drawn for own, _ in homes) / sum(theirs for homes in drawn for _, theirs in homes) - 1
        drawn = sorted(gain([dice.choices(homes, k=len(homes)) for homes in halves]) for _ in range(1000))
        low, high = drawn[24], drawn[974]
        print(f"{budget:,.0f} dollars: {gain(halves):+.1%} of the universe [{low:+.1%}, {high:+.1%}] on people whom the plans were not made on")
        expect(low > 0, f"at {budget:,.0f} dollars the plans reach more")


{"reach": reach, "rated": rated, "halves": halves, "held-out": held_out, "gains": gains}[sys.argv[1]](*sys.argv[2:])
