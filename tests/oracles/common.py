"""What the oracles share: the lake's newest release read by Python's deltalake, and rows over HTTP."""

import json
import os
import sys
import urllib.parse
import urllib.request

import deltalake


def release(lake):
    """The newest release's table versions."""
    folder = os.path.join(lake, "releases")
    newest = sorted(name for name in os.listdir(folder) if name.endswith(".json"))[-1]
    with open(os.path.join(folder, newest)) as file:
        return json.load(file)


def table(lake, name):
    """One table of the newest release as a pyarrow table."""
    version = release(lake)["tables"][name]["version"]
    return deltalake.DeltaTable(os.path.join(lake, "tables", name), version=version).to_pyarrow_table()


def get(url, path, **parameters):
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    with urllib.request.urlopen(url + urllib.parse.quote(path) + query) as answer:
        return json.load(answer)


def ask(server, path, body=None):
    """What a server answers; with a body, to a POST of it."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(server + path, data=data, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def expect(holds, what):
    if not holds:
        sys.exit(f"does not hold: {what}")


def fail(message):
    print(message)
    sys.exit(1)
