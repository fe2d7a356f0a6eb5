"""Times questions over HTTP: the two of the peers' harness beside the fastest peer and a bare server, in one run, and
ad-hoc filters and long lists on generated electorates of two sizes. Called by bench.py; `wrk` asks."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HOME = os.path.expanduser("~")
CACHE = f"{HOME}/.cache/bellwether/bench"
SECONDS = int(os.environ.get("BELLWETHER_WRK_SECONDS", "8"))


class Server:
    """A server on a free port, stopped at the end of the block."""

    def __init__(self, binary, lake):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            [binary, "--lake", lake, "serve", "--listen", f"127.0.0.1:{port}"], stdout=self.log, stderr=self.log
        )
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{self.url}/v1/health/ready").read()
                return
            except OSError:
                time.sleep(0.25)
        sys.exit("the server is not ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()

    def ask(self, path, body=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body is not None else None)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def metric(self, name):
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return float(re.search(rf"^{name} (\S+)", answer.read().decode(), re.M).group(1))

    def wrk(self, path, bodies, connections, seconds=SECONDS):
        """Requests a second, and the times at the median and the 99th percentile in ms."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write("local r, i = {}, 0\ninit = function()\n")
            for body in bodies:
                text = json.dumps(json.dumps(body))
                script.write(
                    f"r[#r+1] = wrk.format('POST', '{path}', {{['content-type']='application/json'}}, {text})\n"
                )
            script.write("end\nrequest = function() i = i % #r + 1; return r[i] end\n")
            script.flush()
            threads = min(2, connections)
            command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, self.url]
            out = subprocess.run(command, capture_output=True, text=True).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            sys.exit(f"some requests failed:\n{out}")
        scale = {"us": 0.001, "ms": 1, "s": 1000}
        times = {at: float(value) * scale[unit] for at, value, unit in re.findall(r"\s(50|99)%\s+([\d.]+)(us|ms|s)", out)}
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), times["50"], times["99"]


def questions(server):
    """The two questions of the peers' harness as filters, and what stands for the answers of its first 64."""
    parties, genders = ["DEM", "REP", "UNA", "LIB"], ["F", "M"]
    known = {row["state_house"] for row in server.ask("/v1/aggregates", {"by": ["state_house"]})["rows"]}
    house = [f"NC-HD-{1 + (i * 37) % 120:02}" for i in range(120)]
    district = [
        {"where": {"district": {"kind": "state_house", "id": id}}, "by": ["party", "gender"],
         "measures": ["voters", {"mean": "birth_year"}]}
        for id in house
    ]
    segment = [
        {"where": {"all": [
            {"field": "party", "eq": parties[i % 4]}, {"field": "gender", "eq": genders[i // 4 % 2]},
            {"field": "birth_year", "between": [1930 + i // 8 % 32, 1970 + i // 256 % 16 * 2]},
            {"district": {"kind": "congressional", "id": f"NC-CD-{1 + i * 7 % 14:02}"}}]}}
        for i in range(4096)
    ]
    # A district without voters has an answer there and is unknown here, where no lines are loaded.
    asked = {"district": [body for id, body in zip(house, district) if id in known], "segment": segment}
    sums = {
        kind: sum(
            row["voters"] for at, body in enumerate(bodies[:64])
            if kind == "segment" or house[at] in known
            for row in server.ask("/v1/aggregates", body)["rows"]
        )
        for kind, bodies in (("district", district), ("segment", segment))
    }
    return asked, sums


def beside_peers(binary, voters, peer, passes):
    """The peers' two questions: requests a second of Bellwether, of the fastest peer, and of a bare server."""
    lake = tempfile.mkdtemp()
    try:
        subprocess.run([binary, "--lake", lake, "load", "voters", voters, "--state", "NC"], check=True, capture_output=True)
        subprocess.run([binary, "--lake", lake, "derive"], check=True, capture_output=True)
        for kind in ("district", "segment"):
            got = {"bellwether": [], "fastapi_sqlite": [], "http_floor": []}
            for _ in range(passes):
                with Server(binary, lake) as server:
                    asked, sums = questions(server)
                    got["bellwether"].append((*server.wrk("/v1/aggregates", asked[kind], 32), str(sums[kind])))
                for name in ("fastapi_sqlite", "http_floor"):
                    found = peer("job3_http.py", f"{name}_{kind}")
                    if found:
                        got[name].append((found["rps"], found["p50_ms"], found["p99_ms"], found["checksum"]))
            print(f"\nThe peers' question by {kind}, 1,000,000 voters, 32 connections, {passes} passes")
            print(f"  {'':<24}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}  times bellwether's rate")
            middle = {name: sorted(runs)[len(runs) // 2] for name, runs in got.items() if runs}
            for name, (rate, p50, p99, digest) in middle.items():
                print(f"  {name:<24}{rate:>12.0f}{p50:>10.2f}{p99:>10.2f}{rate / middle['bellwether'][0]:>12.3f}")
            digests = {runs[3] for name, runs in middle.items() if name != "http_floor"}
            print(f"  all answers the same: {'yes' if len(digests) == 1 else 'NO ' + str(digests)}")
    finally:
        shutil.rmtree(lake)


def electorate(binary, real, voters):
    """A lake of so many generated Colorado voters, made once."""
    folder = f"{CACHE}/co-{voters}"
    lake = f"{folder}/lake"
    if os.path.exists(f"{folder}/ready"):
        return lake
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    print(f"  making {voters} voters ...", flush=True)
    run = lambda *arguments: subprocess.run([binary, "--lake", lake, *arguments], check=True, capture_output=True)
    run("generate", "--from", real, "--state", "CO", "--voters", str(voters), "--seed", "1", "--to", f"{folder}/files")
    made = f"{folder}/files"
    for names in BOUNDARIES:
        run("load", "boundaries", *(os.path.join(real, "boundaries", "co", name) for name in names))
    for kind, name in (("addresses", "addresses_co"), ("voters", "voters_co"), ("history", "history_co")):
        path = next(os.path.join(made, file) for file in sorted(os.listdir(made)) if file.startswith(name))
        run("load", kind, path, "--state", "CO")
    run("derive")
    shutil.rmtree(made)
    open(f"{folder}/ready", "w").close()
    return lake


BOUNDARIES = [
    ["tl_2020_08_county20.zip"], ["tl_2020_08_vtd20.geojson.gz"],
    ["tl_2022_08_cd118.zip", "tl_2022_08_sldu.zip", "tl_2022_08_sldl.zip"],
]


def adhoc(elections):
    """Filters of five conditions, no two alike, by congressional district."""
    parties, genders = ["DEM", "REP", "LIB"], ["F", "M"]
    return [
        {"by": ["congressional"], "where": {"all": [
            {"field": "party", "in": [parties[i % 3], "UNA"]}, {"field": "gender", "eq": genders[i // 3 % 2]},
            {"field": "age", "between": [18 + i % 40, 60 + i // 16 % 30]},
            {"voted": {"in": elections[:3], "at_least": 1 + i % 3}},
            {"field": "registered_on", "between": [f"{1985 + i % 30}-{1 + i % 12:02}-01", None]}]}}
        for i in range(4096)
    ]


def at_scale(binary, real, sizes=(400_000, 3_800_000)):
    for voters in sizes:
        with Server(binary, electorate(binary, real, voters)) as server:
            elections = [row["election"] for row in server.ask("/v1/sql", {
                "query": "SELECT election FROM voter_history GROUP BY election ORDER BY election DESC LIMIT 4"})["rows"]]
            bytes_a_voter = server.metric("bellwether_electorate_bytes") / voters
            print(f"\n{voters:,} voters, {bytes_a_voter:.1f} bytes a voter in memory")
            bodies = adhoc(elections)
            for connections in (1, 32):
                rate, p50, p99 = server.wrk("/v1/aggregates", bodies, connections)
                print(f"  five conditions by congressional district, {connections:>2} clients: "
                      f"{rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
            universe = server.ask("/v1/universes", {"name": "bench", "where": {"field": "age", "between": [18, 70]}})["id"]
            columns = "voter_id,last_name,first_name,address,city,zip,party,age,precinct"
            for form in ("arrow", "csv"):
                started, size = time.perf_counter(), 0
                limit = min(voters, 1_000_000)
                url = f"{server.url}/v1/universes/{universe}/voters?columns={columns}&format={form}&limit={limit}"
                with urllib.request.urlopen(url) as answer:
                    while piece := answer.read(1 << 20):
                        size += len(piece)
                seconds = time.perf_counter() - started
                print(f"  a list of up to {limit:,} voters as {form}: {limit / seconds:,.0f} rows/s, {size >> 20} MB")
