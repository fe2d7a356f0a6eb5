"""A Jetstream over TLS that tells a capture's posts again and many of its own, breaks off in the middle again and again, and goes on
from the cursor that it is asked for. Every post must land once, deletions applied. Usage: jetstream.py BINARY FOLDER CAPTURE"""

import asyncio
import datetime
import ipaddress
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import deltalake
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import serve

import common

binary, folder, capture = sys.argv[1], sys.argv[2], sys.argv[3]
dice = random.Random(3)
messages = []
if os.path.exists(capture):
    messages += [json.loads(line) for line in open(capture)]
start = max([message.get("time_us", 0) for message in messages] + [1_790_000_000_000_000])
for number in range(3_000):
    # The time is that of the stream, not of the posts: seconds apart, some at once.
    operation = "delete" if number % 100 == 99 else "create"
    key = f"k{number - 50 if operation == 'delete' else number}"
    messages.append(
        {
            "did": f"did:plc:{number % 40}" if operation == "create" else f"did:plc:{(number - 50) % 40}",
            "time_us": start + number // 3 * 1_000_000,
            "kind": "commit",
            "commit": {
                "rev": f"r{number}",
                "operation": operation,
                "collection": "app.bsky.feed.post",
                "rkey": key,
                "record": {"text": f"post {number}", "createdAt": "2026-10-01T10:00:00Z"},
            },
        }
    )
messages.sort(key=lambda message: message.get("time_us", 0))
asked, broken = [], [0]


def certificate():
    """A certificate for this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jetstream of a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = made.add_extension(address, False).add_extension(x509.BasicConstraints(False, None), True)
    made = made.sign(key, hashes.SHA256())
    path, secret = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
    with open(path, "wb") as out:
        out.write(made.public_bytes(serialization.Encoding.PEM))
    with open(secret, "wb") as out:
        plain = serialization.NoEncryption()
        out.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, secret)
    return path, context


trusted, context = certificate()


async def stream(socket):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(socket.request.path).query)
    asked.append(query)
    cursor = int(query.get("cursor", ["0"])[0])
    rest = [message for message in messages if message.get("time_us", 0) >= cursor]
    # Breaks off a few times, in the middle, without a word.
    end = dice.randrange(200, 900) if broken[0] < 6 else len(rest)
    broken[0] += 1
    for message in rest[:end]:
        await socket.send(json.dumps(message))
    await asyncio.sleep(0.7)
    if end < len(rest):
        socket.transport.abort()
        return
    await socket.wait_closed()


port = []


async def listen():
    async with serve(stream, "127.0.0.1", 0, ssl=context) as server:
        port.append(server.sockets[0].getsockname()[1])
        await asyncio.Future()


threading.Thread(target=lambda: asyncio.run(listen()), daemon=True).start()
while not port:
    time.sleep(0.01)
feeds = os.path.join(folder, "feeds.json")
with open(feeds, "w") as out:
    json.dump([{"name": "bluesky", "jetstream": f"wss://127.0.0.1:{port[0]}/subscribe"}], out)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    own = free.getsockname()[1]
lake = os.path.join(folder, "lake")
log = open(os.path.join(folder, "log"), "w")
server = subprocess.Popen(
    [binary, "--lake", lake, "serve", "--listen", f"127.0.0.1:{own}", "--event-feeds", feeds],
    stdout=log,
    stderr=log,
    env={**os.environ, "SSL_CERT_FILE": trusted},
)


def told(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{own}{path}", timeout=20) as answer:
        return json.load(answer)


posts = [message for message in messages if message.get("commit", {}).get("collection") == "app.bsky.feed.post"]
key = lambda message: (message["did"], message["commit"]["rkey"])
gone = {key(message) for message in posts if message["commit"]["operation"] == "delete"}
kept = {key(message) for message in posts if message["commit"]["operation"] == "create"} - gone
last = messages[-1]["time_us"]
deadline = time.time() + 120
while True:
    try:
        types = told("/v1/event-types")
        posts_told = next((one for one in types["types"] if one["name"] == "social.post"), None)
        feed = types["feeds"].get("bluesky", {})
        if feed.get("cursor") == last and posts_told and posts_told["backlog_bytes"] == 0:
            break
    except OSError:
        pass
    if time.time() > deadline:
        common.fail("the feed does not come to its end")
    time.sleep(0.1)
# Deletions are applied with the next pass.
deadline = time.time() + 60
while True:
    try:
        table = deltalake.DeltaTable(os.path.join(lake, "tables", "event_social_post"))
        ids = table.to_pyarrow_table(columns=["event_id", "operation"]).to_pylist()
    except FileNotFoundError:
        # A file that held a deleted post has just been written anew.
        continue
    made = [row["event_id"] for row in ids if row["operation"] != "delete"]
    if len(made) == len(kept) or time.time() > deadline:
        break
    time.sleep(0.5)
server.terminate()
server.wait()
if len(set(made)) != len(made):
    common.fail(f"{len(made) - len(set(made))} posts are there twice")
if len(made) != len(kept):
    common.fail(f"{len(made)} posts landed, {len(kept)} were made and not deleted")
if len(asked) < 4 or any("cursor" not in query for query in asked[1:]):
    common.fail(f"the stream was asked {len(asked)} times: {asked[:3]}")
if any(query.get("wantedCollections") != ["app.bsky.feed.post"] for query in asked):
    common.fail("posts were not asked for")
print(f"{len(kept)} posts over {len(asked)} connections, {len(gone)} deleted")
