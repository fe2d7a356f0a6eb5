"""Times loading, locating, carrying votes, linking and learning beside other programs, in one run, and prints ratios of medians.

Each pass runs every program once, in a fresh process, so that whatever else the machine does falls on all alike. The
programs beside which Bellwether is timed and the workloads come from the peers' harness, a folder that lies beside
the real data (see its README for its set-up): `BELLWETHER_PEERS`, by default ../peers from BELLWETHER_REAL_DATA."""

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import bench_country
import bench_events
import bench_http

PASSES = int(os.environ.get("BELLWETHER_PASSES", "3"))
HOME = os.path.expanduser("~")
TARGET = os.environ.get("CARGO_TARGET_DIR", f"{HOME}/.cache/bellwether/target") + "/release"
PEERS = os.environ.get("BELLWETHER_PEERS") or os.path.join(os.environ.get("BELLWETHER_REAL_DATA", "."), "..", "peers")
VENVS = os.environ.get("PEER_VENVS", f"{HOME}/.cache/peers")
DATA = f"{VENVS}/data/m1"
# A folder that Postgres' own user can reach.
os.environ.setdefault("PEER_PG", "/var/tmp/bellwether-peer-postgres")

LOADING = ["polars_utf8", "pyarrow_latin1", "duckdb_latin1", "postgres_copy_latin1"]
LOCATING = ["pycanopy", "sedonadb", "shapely_strtree"]
# Onto 3,000 other precincts, and onto 120 districts that cut them.
CARRYING = {
    "precincts": ["tobler_prec", "duckdb_spatial_prec", "shapely_by_hand_prec", "sedonadb_prec"],
    "plan": ["tobler_plan", "duckdb_spatial_plan", "shapely_by_hand_plan", "sedonadb_plan"],
}
LINKING = ["splink5_duckdb", "duckdb_cascade"]
WALKING = {False: ["lkh3_route", "fast_tsp_route_10ms"], True: ["fast_tsp_giant_1s"]}
PLANNING = ["highs_ipm", "ortools_glop"]
LEARNING = {"trees": ["lightgbm", "xgboost_hist", "sklearn_histgb"], "logistic": ["sklearn_logistic"]}


def peer(script, name, *more):
    """One run of a peer: seconds of its timed section, CPU seconds, memory in MB, digest."""
    python = f"{VENVS}/main/bin/python"
    done = subprocess.run(
        [python, f"{PEERS}/{script}", "--data", DATA, "--runs", "1", "--peers", name, *more], capture_output=True, text=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found = json.loads(lines[-1]) if lines else {}
    return found if "seconds" in found else None


def run(command, **more):
    """A command's seconds from start to end, CPU seconds, peak memory in MB and output."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_rss_mb": usage.ru_maxrss >> 10, "out": out}


def bellwether_load():
    """From nothing to a committed, synced release: the process's start, the content hash and the Delta log included."""
    lake = tempfile.mkdtemp(dir=VENVS)
    try:
        return run([f"{TARGET}/bellwether", "--lake", lake, "load", "voters", f"{DATA}/voters.tsv", "--state", "NC"])
    finally:
        shutil.rmtree(lake)


def bellwether_locate():
    found = run([f"{TARGET}/points-in-precincts", f"{DATA}/coords.parquet", f"{DATA}/precincts.parquet"])
    return found | json.loads(found["out"].splitlines()[-1])


def bellwether_link():
    found = run([f"{TARGET}/link-snapshots", f"{DATA}/link_a.parquet", f"{DATA}/link_b.parquet"])
    return found | json.loads(found["out"].splitlines()[-1])


def bellwether_learn(learner):
    found = run([f"{TARGET}/train-model", f"{DATA}/model.parquet", learner, "300000"])
    return found | json.loads(found["out"].splitlines()[-1])


def bellwether_walk(giant):
    """Rounds past the doors of the turfs that the harness cuts, or past the first thousand."""
    with open(f"{DATA}/doors.csv") as file:
        doors = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]

    def halves(part):
        if len(part) <= 60:
            return [part]
        axis = max((0, 1), key=lambda at: max(doors[i][at] for i in part) - min(doors[i][at] for i in part))
        part = sorted(part, key=lambda i: doors[i][axis])
        return halves(part[: len(part) // 2]) + halves(part[len(part) // 2 :])

    groups = [list(range(min(1000, len(doors))))] if giant else halves(list(range(len(doors))))
    with tempfile.NamedTemporaryFile("w", suffix=".csv", dir=VENVS) as file:
        file.write("x,y,turf\n")
        for turf, group in enumerate(groups):
            file.writelines(f"{doors[i][0]},{doors[i][1]},{turf}\n" for i in group)
        file.flush()
        found = run([f"{TARGET}/bellwether", "tour", file.name, "--group", "turf"])
    # The clock covers what the peers' does: distances and rounds.
    return found | json.loads(found["out"].splitlines()[-1])


def bellwether_plan():
    """The clock covers what the peers' does: the solving, with the rows in memory."""
    found = run([f"{TARGET}/plan-spots", f"{DATA}/tv.parquet"])
    return found | json.loads(found["out"].splitlines()[-1])


def bellwether_carry(onto):
    found = run([f"{TARGET}/carry-votes", f"{DATA}/old_precincts.parquet", f"{DATA}/{onto}.parquet"])
    return found | json.loads(found["out"].splitlines()[-1])


def compare(title, peers, script, ours, *more):
    got = {"bellwether": []} | {name: [] for name in peers}
    for _ in range(PASSES):
        got["bellwether"].append(ours())
        for name in peers:
            found = peer(script, name, *more)
            if found:
                got[name].append(found)
    print(f"\n{title}, {PASSES} passes")
    print(f"  {'':<24}{'seconds':>10}{'CPU s':>10}{'MB':>8}{'  times bellwether: seconds, CPU'}")
    base, base_cpu = (statistics.median(found[field] for found in got["bellwether"]) for field in ("seconds", "cpu_s"))
    digests = set()
    for name, runs in got.items():
        if not runs:
            print(f"  {name:<24}{'left out: it does not run here':>30}")
            continue
        middle = lambda field: statistics.median(found[field] for found in runs)
        memory = max(found["peak_rss_mb"] for found in runs)
        ratio, cpu = middle("seconds") / base, middle("cpu_s") / base_cpu
        how_right = "".join(f"   {field} {runs[0][field]:.10g}" for field in ("precision", "recall", "auc", "train_s", "score_s", "metres", "objective", "whole_seconds", "whole_gap") if field in runs[0])
        print(
            f"  {name:<24}{middle('seconds'):>10.3f}{middle('cpu_s'):>10.2f}{memory:>8}{ratio:>12.2f}{cpu:>8.2f}{how_right}"
        )
        digests |= {found["checksum"] for found in runs if "checksum" in found}
    return digests


def main():
    if not os.path.exists(f"{VENVS}/main/bin/python") or not os.path.exists(f"{DATA}/voters.tsv"):
        sys.exit(f"set the peers up first, as {PEERS}/README.md says")
    subprocess.run([f"{VENVS}/main/bin/python", f"{PEERS}/pg.py", "start"], capture_output=True)
    compare("Load 1,000,000 voters of 67 columns, latin-1, dates typed", LOADING, "job1_load.py", bellwether_load)
    digests = compare("Locate 1,000,000 points in 3,000 precincts", LOCATING, "job2_pip.py", bellwether_locate)
    print(f"  all answers the same: {'yes' if len(digests) == 1 else 'NO ' + str(digests)}")
    subprocess.run([f"{VENVS}/main/bin/python", f"{PEERS}/pg.py", "stop"], capture_output=True)
    for onto, peers in CARRYING.items():
        title = f"Carry the votes of 2,700 old precincts onto the {onto} by area"
        digests = compare(title, peers, "job9_overlay.py", lambda onto=onto: bellwether_carry(onto))
        print(f"  all answers the same: {'yes' if len(digests) == 1 else 'NO ' + str(digests)}")
    compare("Link two snapshots of 1,000,000 people without ids", LINKING, "job7_link.py", bellwether_link)
    for learner, peers in LEARNING.items():
        title = f"Learn from 240,000 of 300,000 people and score all: {learner}"
        compare(title, peers, "job4_model.py", lambda learner=learner: bellwether_learn(learner), "--scale", "0.3")
    for giant, title in [(False, "128 rounds past 5,000 doors"), (True, "One round past 1,000 doors")]:
        compare(title, WALKING[giant], "job5_doors.py", lambda giant=giant: bellwether_walk(giant))
    compare("A TV budget over 100,800 rows and 2,100 market-weeks", PLANNING, "job6_tv.py", bellwether_plan)
    for limited in ([], ["limited"]):
        print("  a plan for the country, computed: " + run([f"{TARGET}/national-plan", *limited])["out"].strip())
    binary = f"{TARGET}/bellwether"
    bench_http.beside_peers(binary, f"{DATA}/voters.tsv", peer, PASSES)
    bench_country.main(binary, f"{DATA}/voters.tsv")
    bench_events.main(binary)
    real = os.environ.get("BELLWETHER_REAL_DATA")
    if real:
        bench_http.at_scale(binary, real)
    else:
        print("LEFT OUT: the electorates of two sizes are made from BELLWETHER_REAL_DATA")


if __name__ == "__main__":
    main()
