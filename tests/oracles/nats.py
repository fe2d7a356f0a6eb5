"""A NATS cluster of three servers with JetStream on free ports of this machine, every write synced. As a program it prints
its address and runs until its standard input is closed. Usage: nats.py FOLDER"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

SERVER = os.path.join(os.path.dirname(sys.executable), "nats-server")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    def __init__(self, folder, size=3):
        self.folder, self.size = folder, size
        ports = free_ports(3 * size)
        self.clients, self.routes, self.monitors = ports[:size], ports[size : 2 * size], ports[2 * size :]
        self.nodes = [None] * size
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes)
        for at in range(size):
            store = os.path.join(folder, f"nats{at}")
            os.makedirs(store, exist_ok=True)
            with open(os.path.join(store, "conf"), "w") as conf:
                conf.write(
                    f"""server_name: node{at}
listen: "127.0.0.1:{self.clients[at]}"
http: "127.0.0.1:{self.monitors[at]}"
jetstream {{ store_dir: "{store}/store", sync_interval: always, max_file_store: 8GB }}
cluster {{ name: test, listen: "127.0.0.1:{self.routes[at]}", routes: [{routes}] }}
"""
                )
            self.start(at)
        self.wait()

    def start(self, at):
        store = os.path.join(self.folder, f"nats{at}")
        log = open(os.path.join(store, "log"), "a")
        self.nodes[at] = subprocess.Popen([SERVER, "-c", os.path.join(store, "conf")], stdout=log, stderr=log)

    def kill(self, at):
        self.nodes[at].kill()
        self.nodes[at].wait()

    def healthy(self, at):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitors[at]}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait(self, patience=60):
        """Until every server says that all of its streams are current."""
        deadline = time.time() + patience
        while not all(self.healthy(at) for at in range(self.size)):
            if time.time() > deadline:
                raise SystemExit("the cluster does not become healthy")
            time.sleep(0.1)

    def address(self):
        return ",".join(f"nats://127.0.0.1:{port}" for port in self.clients)

    def stop(self):
        for node in self.nodes:
            if node and node.poll() is None:
                node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            if node:
                node.wait()


if __name__ == "__main__":
    cluster = Cluster(sys.argv[1])
    try:
        print(cluster.address(), flush=True)
        sys.stdin.read()
    finally:
        cluster.stop()
