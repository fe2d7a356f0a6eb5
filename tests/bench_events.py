"""Times events over HTTP: the workload of the peers' job 8 in NDJSON batches beside DuckDB's keyed batches, one event a
request, and what a flood of one type does to another. The producers run on the same machine. Called by bench.py, or alone:
bench_events.py BINARY [EVENTS]"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import bench_http

TYPES = ["door_knock", "phone_call", "email_open", "email_click", "sms_reply", "donation", "rsvp", "ad_view"]
BATCH = 5_000
CONNECTIONS = 4


def types(folder):
    """The workload's eight types, each a line of its own; the voter is sealed."""
    os.makedirs(folder)
    field = lambda kind, privacy: {"type": kind, "x-privacy": privacy, "description": "Of the workload."}
    for name in TYPES:
        document = {
            "$id": f"job.{name}",
            "description": "An event of the workload.",
            "x-priority": "critical",
            "x-subject": ["voter_id"],
            "type": "object",
            "required": ["voter_id", "user_id", "campaign"],
            "properties": {
                "voter_id": field("string", "identifying"),
                "user_id": field("integer", "public"),
                "campaign": field("string", "public"),
                "props": {
                    "type": "object",
                    "required": ["result", "amount_cents"],
                    "properties": {
                        "result": field("string", "public"),
                        "amount_cents": field("integer", "public"),
                        "device": field("string", "public"),
                        "list_id": field("string", "public"),
                    },
                },
            },
        }
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(document, file)


class Intake(bench_http.Server):
    """A server with an empty lake and the workload's types."""

    def __init__(self, binary):
        self.folder = tempfile.mkdtemp(prefix="events_", dir=os.path.expanduser("~/.cache/bellwether"))
        types(f"{self.folder}/types")
        os.environ["BELLWETHER_EVENT_TYPES"] = f"{self.folder}/types"
        super().__init__(binary, f"{self.folder}/lake")
        self.port = int(self.url.rsplit(":", 1)[1])

    def __exit__(self, *all):
        super().__exit__(*all)
        shutil.rmtree(self.folder)

    def cpu(self):
        parts = open(f"/proc/{self.child.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def post(self, bodies):
        """Sends NDJSON bodies over some connections; every one must be accepted."""
        todo, lock, faults = iter(bodies), threading.Lock(), []

        def produce():
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            while True:
                with lock:
                    body = next(todo, None)
                if body is None:
                    return
                connection.request("POST", "/v1/events", body, {"content-type": "application/x-ndjson"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 202:
                    faults.append(answer.status)
                    return

        threads = [threading.Thread(target=produce) for _ in range(CONNECTIONS)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        if faults:
            sys.exit(f"events were turned away: {faults}")

    def totals(self):
        rows = [row for row in self.ask("/v1/event-types")["types"] if row["name"].startswith("job.")]
        return {name: sum(row[name] for row in rows) for name in ("received", "landed", "duplicate", "dead")}


def batches(binary, data, events):
    """Seconds until all are durable, and until all are in their tables."""
    with open(f"{data}/events.ndjson", "rb") as file:
        lines = [line.replace(b'"type":"', b'"type":"job.', 1) for line, _ in zip(file, range(events))]
    bodies = [b"".join(lines[at : at + BATCH]) for at in range(0, events, BATCH)]
    with Intake(binary) as server:
        used, started = server.cpu(), time.perf_counter()
        server.post(bodies)
        durable = time.perf_counter() - started
        while server.totals()["received"] < events:
            time.sleep(0.01)
        landed = time.perf_counter() - started
        totals, used = server.totals(), server.cpu() - used
        server_sum = 0
        for name in TYPES:
            query = f"SELECT count(*) AS n, CAST(sum(props_amount_cents) AS BIGINT) AS cents FROM event_job_{name}"
            row = server.ask("/v1/sql", {"query": query})["rows"][0]
            server_sum += row["cents"] or 0
    return {"durable": durable, "landed": landed, "cpu": used, "rows": totals["landed"], "cents": server_sum}


def peer(data, events):
    """DuckDB's keyed batches of the peers' job, in a process of its own."""
    peers = os.environ.get("BELLWETHER_PEERS", os.path.join(os.environ["BELLWETHER_REAL_DATA"], "../peers"))
    python = os.path.expanduser("~/.cache/peers/main/bin/python")
    scale = events / sum(1 for _ in open(f"{data}/events.ndjson", "rb"))
    command = [python, "job8_events.py", "--data", data, "--runs", "1", "--scale", str(scale), "--peers", "duckdb_batches"]
    answer = subprocess.run(command, cwd=peers, capture_output=True, text=True, check=True)
    told = json.loads(answer.stdout.strip().splitlines()[-1])
    rows, _, cents = told["checksum"].split(":")
    return {"seconds": told["seconds"], "cpu": told["cpu_s"], "rows": int(rows), "cents": int(cents)}


def compare(binary, data, events, passes=3):
    """Both in turn; medians."""
    ours, theirs = [], []
    for _ in range(passes):
        theirs.append(peer(data, events))
        ours.append(batches(binary, data, events))
        same = [(one["rows"], one["cents"]) for one in (ours[-1], theirs[-1])]
        if same[0] != same[1]:
            sys.exit(f"the two disagree: {same}")
    middle = lambda runs, name: sorted(run[name] for run in runs)[len(runs) // 2]
    rate = lambda seconds: f"{events / seconds / 1000:.0f}k/s"
    durable, landed, seconds = middle(ours, "durable"), middle(ours, "landed"), middle(theirs, "seconds")
    print(f"{events:,} events in batches of {BATCH:,}, medians of {passes}:")
    print(f"  ours, durable        {durable:6.2f} s  {rate(durable):>8}  {seconds / durable:.1f}x DuckDB's keyed batches")
    print(f"  ours, in the tables  {landed:6.2f} s  {rate(landed):>8}  {seconds / landed:.1f}x  [{middle(ours, 'cpu'):.2f} CPU s]")
    print(f"  DuckDB               {seconds:6.2f} s  {rate(seconds):>8}        [{middle(theirs, 'cpu'):.2f} CPU s]")


SINGLE = """
local n, me = 0, 0
function setup(thread) me = me + 1; thread:set("id", me) end
request = function()
  n = n + 1
  local body = string.format('{"id":"%%d-%%d-%%d","type":"%s","data":%s}', id, n, os.time())
  return wrk.format("POST", "/v1/events", {["content-type"] = "application/json"}, body)
end
"""
DOOR = SINGLE % ("contact.door", '{"voter_id":"v1","result":"not_home"}')
FLOOD = SINGLE % ("app.log", '{"event":"x","level":"nonsense","message":"' + "m" * 2000 + '"}')


def wrk(server, script, connections, seconds, threads=1):
    """Starts wrk; its report when it ends."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as file:
        file.write(script)
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--latency", "-s", file.name, server.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def figures(report):
    text = report.communicate()[0]
    number = lambda head: next(line.split()[1] for line in text.splitlines() if line.strip().startswith(head))
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    p99 = number("99%")
    unit = next(unit for unit in ("us", "ms", "s") if p99.endswith(unit))
    return float(number("Requests/sec:")), float(p99[: -len(unit)]) * scale[unit]


def singles(binary):
    """One event a request."""
    with Intake(binary) as server:
        rate, p99 = figures(wrk(server, DOOR, 128, bench_http.SECONDS))
    print(f"One event a request, 128 connections: {rate:,.0f} requests/s, p99 {p99:.1f} ms")


def flood(binary):
    """contact.door at 8 connections alone and beside a flood of poisoned app.log whose sink is broken."""
    alone, beside = [], []
    for _ in range(3):
        with Intake(binary) as server:
            alone.append(figures(wrk(server, DOOR, 8, 5))[1])
            # A file in the place of the table's folder: nothing of the type can land.
            for name in ("event_app_log", "dead_app_log"):
                open(f"{server.folder}/lake/tables/{name}", "w").close()
            flooding = wrk(server, FLOOD, 32, 7)
            time.sleep(1)
            beside.append(figures(wrk(server, DOOR, 8, 5))[1])
            flooding.communicate()
            told = server.ask("/v1/event-types/contact.door")
            while told["backlog_bytes"]:
                told = server.ask("/v1/event-types/contact.door")
            if told["landed"] + told["duplicate"] != told["received"] or told["dead"]:
                sys.exit(f"contact.door lost events: {told}")
    middle = lambda values: sorted(values)[1]
    print(f"p99 of contact.door: alone {middle(alone):.2f} ms {alone}, beside the flood {middle(beside):.2f} ms {beside}")


def main(binary, events=1_000_000):
    data = os.path.expanduser("~/.cache/peers/data/m1")
    compare(binary, data, events)
    singles(binary)
    flood(binary)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
