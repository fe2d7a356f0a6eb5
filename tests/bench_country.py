"""Times a television plan for a whole country, through the server: 209 markets, 100,000 kinds of spots, 12 weeks.

bench_country.py BINARY NORTH_CAROLINA_VOTERS [VOTERS OF COLORADO]

Voters are generated Colorado's, the same as those of Franklin, and the million of North Carolina that the peers' harness
makes: 209 counties, each of which is a market. BELLWETHER_COUNTRY names a folder in which all of it is kept for another run. The panel (400 people a market), what it watched (some 23 people a kind) and the spots on offer are made
here. All of it goes through the loaders, and plans are asked for over HTTP."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv

from bench_http import Server

MARKETS, KINDS, WEEKS, PEOPLE = 209, 100_000, 12, 400
# Counties of Colorado, North Carolina and Franklin that are markets, by their numbers' steps: odd numbers are in use.
STATES = [("CO", "08", 64), ("NC", "37", 100), ("FK", "98", 45)]
DAYPARTS = ["early_morning", "daytime", "early_fringe", "early_news", "prime_access", "prime", "late_news", "late_fringe", "sports"]
DAYS = ["M-F", "M-Su", "Sa-Su"]


def write(path, columns):
    pa.csv.write_csv(pa.table(columns), path)


def sources(folder):
    """Markets, panel, viewing and inventory as CSV."""
    dice = np.random.default_rng(7)
    code = np.array([f"{500 + market}" for market in range(MARKETS)])
    size = 4_000_000 / np.arange(1, MARKETS + 1) ** 0.9
    counties = [(state, f"{fips}{2 * at + 1:03}") for state, fips, count in STATES for at in range(count)]
    write(f"{folder}/markets.csv", {
        "county_fips": [county for _, county in counties], "county": [f"County {county}" for _, county in counties],
        "state": [state for state, _ in counties], "tv_households": (size / 2).astype(int),
        "dma_code": code, "dma_name": [f"Market {at}" for at in code],
    })
    market = np.repeat(np.arange(MARKETS), PEOPLE)
    people = len(market)
    gender, party = dice.choice(["F", "M"], people), dice.choice(["DEM", "REP", "UNA"], people, p=[0.32, 0.33, 0.35])
    write(f"{folder}/panel.csv", {
        "person_id": [f"P{at}" for at in range(people)], "household_id": [f"H{at // 2}" for at in range(people)],
        "market_code": code[market], "weight": size[market] / PEOPLE * (0.5 + dice.random(people)),
        "age": dice.integers(18, 90, people), "gender": gender, "party": party,
    })
    intensity = dice.exponential(size=people)
    kind = np.arange(KINDS)
    of = kind % MARKETS
    station = np.array([f"K{at:03}" for at in range(40)])[kind // MARKETS % 40]
    programme = np.array([f"Programme {at}" for at in kind])
    rating = 0.002 + 0.05 * dice.random(KINDS) ** 3
    leans = dice.normal(0, 0.6, (KINDS, 3))
    place = {"DEM": 0, "REP": 1, "UNA": 2}
    seen = np.zeros(KINDS)
    parts = []
    for at in range(MARKETS):
        own = np.flatnonzero(of == at)
        first = at * PEOPLE
        tilt = np.exp(leans[own][:, [place[of_] for of_ in party[first : first + PEOPLE]]])
        share = rating[own, None] * intensity[None, first : first + PEOPLE] * tilt
        watches = np.minimum(4 * share, 0.9)
        who = dice.random(share.shape) < watches
        chance = np.minimum(share / watches * (0.5 + dice.random(share.shape)), 0.9)
        rows, columns = np.nonzero(who)
        parts.append((own[rows], first + columns, chance[rows, columns]))
        seen[own] = (who * chance).sum(axis=1) * size[at] / PEOPLE
    watched, person, chance = (np.concatenate(column) for column in zip(*parts))
    write(f"{folder}/viewing.csv", {
        "person_id": pa.array([f"P{at}" for at in person]), "station": station[watched], "programme": programme[watched],
        "minutes": np.round(chance * 1200, 1), "programme_minutes": np.full(len(chance), 1200),
    })
    price = 10 + seen / 1000 * (8 + 40 * dice.random(KINDS))
    week = np.tile(np.arange(WEEKS), KINDS)
    each = np.repeat(kind, WEEKS)
    mondays = np.array([str(np.datetime64("2026-08-10") + 7 * at) for at in range(WEEKS)])
    count = len(each)
    write(f"{folder}/inventory.csv", {
        "market_code": code[of[each]], "station": station[each], "programme": programme[each],
        "daypart": np.array(DAYPARTS)[each % 9], "days": np.array(DAYS)[each % 3], "week": mondays[week],
        "length": np.full(count, 30), "rate": np.round(price[each] * (0.85 + 0.3 * dice.random(count)), 2),
        "units": dice.integers(1, 11, count),
    })
    return len(watched), count


def made(binary, real, carolina, voters, folder):
    """A lake with all of it."""
    lake = f"{folder}/lake"
    run = lambda *arguments: subprocess.run([binary, "--lake", lake, *arguments], check=True, capture_output=True)
    files = f"{folder}/co"
    run("generate", "--from", real, "--state", "CO", "--voters", str(voters), "--seed", "1", "--to", files)
    colorado = next(f"{files}/{name}" for name in os.listdir(files) if name.startswith("voters_co"))
    for state, file in (("CO", colorado), ("FK", colorado), ("NC", carolina)):
        run("load", "voters", file, "--state", state)
    shutil.rmtree(files)
    watched, offers = sources(folder)
    began = time.perf_counter()
    for kind in ("markets", "panel", "viewing", "inventory"):
        run("load", kind, f"{folder}/{kind}.csv")
    print(f"  {offers:,} offers and {watched:,} viewings loaded in {time.perf_counter() - began:.1f} s", flush=True)
    run("derive")
    return lake


def peak(child):
    """Most memory of a process so far, in MB."""
    with open(f"/proc/{child.pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def main(binary, carolina, voters=200_000):
    real = os.environ.get("BELLWETHER_REAL_DATA")
    if not real:
        print("LEFT OUT: the plan for a country needs voters generated from BELLWETHER_REAL_DATA")
        return
    folder = os.environ.get("BELLWETHER_COUNTRY")
    kept = folder and os.path.exists(f"{folder}/lake")
    work = folder or tempfile.mkdtemp()
    os.makedirs(work, exist_ok=True)
    try:
        lake = f"{work}/lake" if kept else made(binary, real, carolina, int(voters), work)
        with Server(binary, lake) as server:
            before = peak(server.child)
            request = {"name": "Country", "where": {"field": "party", "eq": "DEM"}, "budget": 200_000}
            print(f"A plan for {MARKETS} markets, {KINDS:,} kinds of spots, {WEEKS} weeks, through the server")
            for name, more in [
                ("the first", {}),
                ("another", {"budget": 250_000}),
                ("with limits", {"weekly_frequency": 0.4, "dayparts": {"prime": {"most": 20_000}},
                                 "markets": {"500": {"most": 3_000}, "520": {"least": 4_000}, "540": {"least": 2_500}}}),
            ]:
                began = time.perf_counter()
                job = server.ask("/v1/media/plans", request | more)
                while job["state"] in ("queued", "running"):
                    time.sleep(0.05)
                    job = server.ask(f"/v1/jobs/{job['id']}")
                if job["state"] != "done":
                    sys.exit(f"the plan failed: {json.dumps(job)}")
                took = time.perf_counter() - began
                told = job["result"]
                print(f"  {name}: {took:.2f} s, {told['spots']:,} spots, {told['people']:,.0f} people, gap {told['gap']:.4f}, "
                      f"gain over age and sex {told['gain_over_age_and_sex']}", flush=True)
                for what, change in [("2 % more money", {"budget": (request | more)["budget"] * 1.02}), ("nothing else", {})]:
                    began = time.perf_counter()
                    again = server.ask(f"/v1/media/plans/{told['plan']}/replan", change)
                    print(f"    again with {what}: {time.perf_counter() - began:.2f} s, "
                          f"{again['change']['people']:+,.0f} people, gap {again['plan']['bound']['gap']:.4f}", flush=True)
            print(f"  memory of the server at most {peak(server.child):,} MB, {before:,} before the first plan")
    finally:
        if not folder:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
