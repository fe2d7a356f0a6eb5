"""What takes too long for every test run: 2,000 random filters against an outside engine, schemathesis over the OpenAPI
document with every role, each on an invented state of 150,000 voters, and a server that takes events in and is killed a
hundred times, and one whose cluster loses servers. Usage: soak.py [filters | fuzz | kills]..."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from bench_http import Server

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.join(os.environ["CARGO_TARGET_DIR"], "release", "bellwether")
CACHE = os.path.expanduser("~/.cache/bellwether")
VOTERS = 150_000
FILTERS = int(os.environ.get("BELLWETHER_SOAK_FILTERS", "2000"))
DISTRICT = {"kind": "state_house", "id": "FK-HD-07"}
ROLES = ["admin", "analyst", "planner", "organizer", "ingest"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,no_stranger_is_named"


def lake():
    """The state's lake, made once for every build."""
    folder = os.path.join(CACHE, "soak")
    made = os.path.join(folder, f"{VOTERS}-voters-seed-1", "lake")
    subprocess.run(
        [BINARY, "demo", "--no-serve", "--voters", str(VOTERS), "--folder", folder], check=True, stdout=subprocess.DEVNULL
    )
    return made


def filters(lake):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"{FILTERS} random filters, seed {seed}", flush=True)
    with Server(BINARY, lake) as server:
        script = os.path.join(HERE, "oracles", "filters.py")
        subprocess.run([sys.executable, script, lake, server.url, str(FILTERS), str(seed)], check=True)


def members(server, where):
    """Ids of everybody whom a filter holds for."""
    id = server.ask("/v1/universes", {"name": "soak", "where": where})["id"]
    with urllib.request.urlopen(f"{server.url}/v1/universes/{id}/voters?columns=voter_id&format=csv") as answer:
        return set(answer.read().decode().split()[1:])


def fuzz(lake):
    with Server(BINARY, lake) as server:
        everyone, neighbours = members(server, {"all": []}), members(server, {"district": DISTRICT})
    if not 0 < len(neighbours) < len(everyone) == VOTERS:
        sys.exit(f"{len(neighbours)} of {len(everyone)} voters live in the key's district")
    may_see = {"admin": everyone, "analyst": everyone, "organizer": neighbours}
    for role in ROLES:
        with tempfile.TemporaryDirectory() as folder:
            # Roles that load and delete do so in a copy.
            own = os.path.join(folder, "lake")
            shutil.copytree(lake, own, ignore=shutil.ignore_patterns(".serving", ".state"))
            create = [BINARY, "--lake", own, "keys", "create", "--name", "soak", "--role", role, "--rate", "1000000"]
            if role == "organizer":
                create += ["--district", f"{DISTRICT['kind']}/{DISTRICT['id']}"]
            key = subprocess.run(create, check=True, capture_output=True, text=True).stdout.split()[-1]
            ids = os.path.join(folder, "may_see")
            with open(ids, "w") as file:
                file.write("\n".join(may_see.get(role, ())))
            with Server(BINARY, own) as server:
                print(f"schemathesis as {role}", flush=True)
                command = [os.path.join(CACHE, "schemathesis", "bin", "schemathesis"), "run", f"{server.url}/v1/openapi.json"]
                command += ["--checks", CHECKS, "--header", f"Authorization: Bearer {key}", "--workers", "2", "--no-color"]
                # The list of a whole state's doors is 50 MB: it takes its time on a busy machine.
                command += ["--request-timeout", "60"]
                command += ["--warnings", "off", "--exclude-path-regex", "jobs/.*/events$"]
                environment = dict(os.environ, SCHEMATHESIS_HOOKS="strangers", BELLWETHER_MAY_SEE=ids)
                environment["PYTHONPATH"] = os.path.join(HERE, "oracles")
                ended = subprocess.run(command, env=environment, cwd=folder)
                if ended.returncode != 0:
                    sys.exit(f"schemathesis found something as {role}")


def kills(_):
    """Events against a server that is killed a hundred times, and against one whose cluster loses a server twenty times."""
    seed = str(random.SystemRandom().randrange(1 << 30))
    for arguments in (["100", seed], ["20", seed, "cluster"]):
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(HERE, "oracles", "killed.py")
            if subprocess.run([sys.executable, script, BINARY, folder, *arguments]).returncode != 0:
                sys.exit("events were lost, or landed twice")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["filters", "fuzz", "kills"]
    made = None if chosen == ["kills"] else lake()
    for name in chosen:
        {"filters": filters, "fuzz": fuzz, "kills": kills}[name](made)
    print("nothing was found")
