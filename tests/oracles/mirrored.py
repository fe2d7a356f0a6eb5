"""Two servers, the second a mirror of the first, which dies and comes back while events come in. What the first tells of
the comparison must come true, and both lakes must hold the same events. Usage: mirrored.py BINARY FOLDER"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time

import deltalake

import common

binary, folder = sys.argv[1], sys.argv[2]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(name, port, *arguments):
    log = open(os.path.join(folder, f"{name}.log"), "a")
    lake = os.path.join(folder, name)
    command = [binary, "--lake", lake, "serve", "--listen", f"127.0.0.1:{port}", *arguments]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.time() + 60
    while time.time() < deadline:
        try:
            if ask(port, "GET", "/v1/event-types")[0] == 200:
                return server
        except OSError:
            time.sleep(0.05)
    common.fail(f"{name} does not start")


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


def send(port, first, count):
    lines = []
    for number in range(first, first + count):
        # Every other one is sent twice under the same id.
        event = {
            0: {"type": "contact.door", "data": {"voter_id": f"v{number}", "result": "not_home"}},
            1: {"type": "app.log", "data": {"event": "opened", "level": "info"}},
            # No ballot: a dead letter here and there.
            2: {"type": "ballot.returned", "data": {"voter_id": 7}},
        }[number % 3]
        lines.append(json.dumps({"id": f"e{number // 6}", **event}))
    status, told = ask(port, "POST", "/v1/events", "\n".join(lines))
    if status != 202:
        common.fail(f"{status}: {told}")
    # What is no JSON is kept as well, and goes its own way.
    ask(port, "POST", "/v1/events", f"not json {first}")


here, there = free_port(), free_port()
other = start("there", there)
one = start("here", here, "--event-mirror", f"http://127.0.0.1:{there}")
for first in range(0, 1500, 150):
    send(here, first, 150)
    if first == 450:
        other.kill()
        other.wait()
    if first == 1050:
        time.sleep(1)
        other = start("there", there)
deadline = time.time() + 90
while True:
    told = ask(here, "GET", "/v1/event-mirror")[1]
    hours = [hour for hour in told["hours"] if hour["received"]]
    types = {hour["type"] for hour in hours}
    agreed = all(hour["same_counts"] and hour["same_content"] for hour in hours)
    faults = [copied["fault"] for copied in told["types"].values() if copied.get("fault")]
    if types == {"contact.door", "app.log", "ballot.returned", "unreadable"} and agreed and not faults:
        break
    if time.time() > deadline:
        common.fail(f"the mirror does not agree: {json.dumps(told)[:3000]}")
    time.sleep(0.3)
sent = sum(hour["received"] for hour in hours)
if sent != 1510 or any(copied["missed"] for copied in told["types"].values()):
    common.fail(f"{sent} events were received: {told['types']}")
for server in (one, other):
    server.terminate()
    server.wait()
for table in ("event_contact_door", "event_app_log"):
    ids = [
        sorted(
            deltalake.DeltaTable(os.path.join(folder, name, "tables", table))
            .to_pyarrow_table(columns=["event_id"])["event_id"]
            .to_pylist()
        )
        for name in ("here", "there")
    ]
    if ids[0] != ids[1] or len(ids[0]) != 250:
        common.fail(f"{table}: {len(ids[0])} events here, {len(ids[1])} there")
print(f"{sent} events are the same here and there")
