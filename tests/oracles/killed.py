"""Sends events without end to a server that is killed again and again, then looks whether every acknowledged event is in
its table once, and none twice. With a cluster the queues are NATS streams, and its servers are killed in turn with ours.
Usage: killed.py BINARY FOLDER KILLS [SEED] [cluster]"""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

import deltalake

import common
import nats

binary, folder, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 30)
cluster = nats.Cluster(folder) if sys.argv[5:] == ["cluster"] else None
where = ["--event-cluster", cluster.address()] if cluster else []
dice = random.Random(seed)
lake = os.path.join(folder, "lake")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
log = open(os.path.join(folder, "log"), "w")
acknowledged, sent, lock, refused = {}, [0], threading.Lock(), []
running = threading.Event()
done = threading.Event()


def event(number):
    kind = ("contact.door", "app.log", "ballot.returned")[number % 3]
    data = {
        "contact.door": {"voter_id": f"v{number % 500}", "result": "not_home"},
        "app.log": {"event": "opened", "level": "info"},
        "ballot.returned": {"voter_id": f"v{number % 500}", "election": "2026-11-03/general"},
    }[kind]
    # Now and then one that is no event of its type: it must be a dead letter.
    if number % 50 == 7:
        data = {"result": 5, "voter_id": 7, "election": 8, "level": 9}
    return {"id": f"e{number}", "type": kind, "data": data}


def send(connection, events):
    body = "\n".join(json.dumps(one) for one in events)
    connection.request("POST", "/v1/events", body, {"content-type": "application/x-ndjson"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def produce():
    pending = None
    connection = None
    while not done.is_set():
        if pending is None:
            with lock:
                first = sent[0]
                count = dice.choice((1, 1, 10, 200))
                sent[0] += count
            pending = [event(number) for number in range(first, first + count)]
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            status, body = send(connection, pending)
            if status == 202:
                with lock:
                    for one in pending:
                        acknowledged[one["id"]] = one
                pending = None
            elif status not in (429, 503):
                refused.append(f"{status}: {body}")
                return
        except (OSError, http.client.HTTPException):
            # Not acknowledged: it is sent again, the same ids.
            connection = None
            running.wait(0.5)


def start():
    server = subprocess.Popen(
        [binary, "--lake", lake, "serve", "--listen", f"127.0.0.1:{port}", *where], stdout=log, stderr=log
    )
    deadline = time.time() + 60
    while time.time() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v1/event-types")
            answer = connection.getresponse()
            # A cluster in which a new leader is being chosen sets types up a little later.
            if answer.status == 200 and len(json.loads(answer.read())["types"]) > 9:
                running.set()
                return server
        except OSError:
            time.sleep(0.02)
    common.fail("the server does not start")


threads = [threading.Thread(target=produce, daemon=True) for _ in range(3)]
server = start()
for thread in threads:
    thread.start()
for turn in range(kills):
    time.sleep(dice.uniform(0.05, 1.5))
    if cluster:
        # One server of the cluster at a time: two of three hold what they acknowledged.
        victim = dice.randrange(cluster.size)
        cluster.kill(victim)
        time.sleep(dice.uniform(0.5, 3))
    if not cluster or turn % 2:
        running.clear()
        server.kill()
        server.wait()
        server = start()
    if cluster:
        before = len(acknowledged)
        cluster.start(victim)
        cluster.wait()
        print(f"server {victim} of the cluster died and came back: {before} acknowledged")
time.sleep(0.5)
done.set()
for thread in threads:
    thread.join()
server.terminate()
server.wait()
if cluster:
    cluster.stop()

faults, landed, dead = refused, 0, 0
if len(acknowledged) < 200 * kills:
    faults.append(f"only {len(acknowledged)} events were acknowledged")
for kind in ("contact.door", "app.log", "ballot.returned"):
    name = kind.replace(".", "_")
    table = deltalake.DeltaTable(os.path.join(lake, "tables", f"event_{name}")).to_pyarrow_table(columns=["event_id"])
    ids = table["event_id"].to_pylist()
    letters = deltalake.DeltaTable(os.path.join(lake, "tables", f"dead_{name}")).to_pyarrow_table()
    wanted = {key for key, one in acknowledged.items() if one["type"] == kind}
    good = {key for key in wanted if int(key[1:]) % 50 != 7}
    if len(set(ids)) != len(ids):
        faults.append(f"{kind}: {len(ids) - len(set(ids))} events are there twice")
    if good - set(ids):
        faults.append(f"{kind}: {len(good - set(ids))} acknowledged events are lost")
    if any(int(key[1:]) % 50 == 7 for key in ids):
        faults.append(f"{kind}: what is no event has landed")
    numbers = letters["number"].to_pylist()
    if len(set(numbers)) != len(numbers):
        faults.append(f"{kind}: {len(numbers) - len(set(numbers))} dead letters are there twice")
    if len(numbers) < len(wanted - good):
        faults.append(f"{kind}: {len(wanted - good) - len(numbers)} dead letters are lost")
    landed, dead = landed + len(ids), dead + len(numbers)
print(f"seed {seed}: {kills} kills, {len(acknowledged)} acknowledged, {landed} landed, {dead} dead letters")
if faults:
    common.fail("\n".join(faults))
