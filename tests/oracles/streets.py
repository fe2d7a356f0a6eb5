"""A street network made for the doors of a cut, and turfs on it checked by a search of networkx.

streets.py make SERVER CUT FILE.osm.pbf     streets past the houses, ways between them, a river with one bridge
streets.py check SERVER CUT FILE.osm.pbf    metres and minutes are those along the streets, and no turf has both banks
"""

import collections
import json
import math
import sys

import networkx as nx
import numpy as np
import osmium
from common import ask, expect
from scipy.spatial import cKDTree

DEGREE = 6_371_008.8 * math.pi / 180
OTHER_NAME, REACH = 60.0, 400.0


class Plane:
    def __init__(self, places):
        places = np.asarray(places)
        self.middle = (places.min(axis=0) + places.max(axis=0)) / 2
        self.scale = np.array([DEGREE * math.cos(math.radians(self.middle[1])), DEGREE])

    def metres(self, places):
        return (np.asarray(places) - self.middle) * self.scale

    def degrees(self, metres):
        return np.asarray(metres) / self.scale + self.middle


def places_of(rows):
    return np.array([[row["longitude"], row["latitude"]] for row in rows])


def make(server, cut, file):
    rows = ask(server, f"/v1/turf-cuts/{cut}/doors")["rows"]
    plane = Plane(places_of(rows))
    xy = plane.metres(places_of(rows))
    river = float(np.median(xy[:, 0])) + 0.123
    of_street = collections.defaultdict(list)
    for row, point in zip(rows, xy):
        if row["street"] and row["house_number"]:
            of_street[row["street"], row["zip"]].append((int(row["house_number"]), point))
    nodes, ways = [], []

    def node(point):
        nodes.append(point)
        return len(nodes) - 1

    for (name, _), houses in sorted(of_street.items()):
        houses.sort(key=lambda house: house[0])
        points = [(houses[i][1] + houses[min(i + 1, len(houses) - 1)][1]) / 2 for i in range(len(houses))]
        line = []
        for point in points:
            across = line and (nodes[line[-1]][0] > river) != (point[0] > river)
            if line and (across or np.hypot(*(nodes[line[-1]] - point)) > 250):
                ways.append((name, "residential", line))
                line = []
            if not line or np.hypot(*(nodes[line[-1]] - point)) > 1:
                line.append(node(point))
        ways.append((name, "residential", line))
    ways = [way for way in ways if len(way[2]) > 1]

    # Ways between the parts of each bank, the shortest first, and one bridge.
    used = sorted({at for way in ways for at in way[2]})
    graph = nx.Graph()
    graph.add_nodes_from(used)
    for _, _, line in ways:
        graph.add_edges_from(zip(line, line[1:]))
    points = np.array([nodes[at] for at in used])
    bank = points[:, 0] > river
    for side in (True, False):
        own = [at for at, there in zip(used, bank) if there == side]
        tree = cKDTree(np.array([nodes[at] for at in own]))
        while True:
            parts = list(nx.connected_components(graph.subgraph(own)))
            if len(parts) < 2:
                break
            smallest = sorted(min(parts, key=lambda part: (len(part), min(part))))
            best = None
            for at in smallest:
                for count in (8, 64, len(own)):
                    far, near = tree.query(nodes[at], k=min(count, len(own)))
                    found = [(f, own[n]) for f, n in zip(np.atleast_1d(far), np.atleast_1d(near)) if own[n] not in smallest]
                    if found:
                        best = min(best or (math.inf,), (found[0][0], at, found[0][1]))
                        break
            _, one, other = best
            ways.append(("", "residential", [one, other]))
            graph.add_edge(one, other)
    west = [at for at, there in zip(used, bank) if not there]
    far, near = cKDTree(np.array([nodes[at] for at in west])).query(points[bank])
    east = [at for at, there in zip(used, bank) if there]
    closest = int(np.argmin(far))
    ways.append(("Bridge", "secondary", [west[near[closest]], east[closest]]))
    top, bottom = xy[:, 1].max() + 3000, xy[:, 1].min() - 3000
    ways.append(("", "river", [node(np.array([river, bottom])), node(np.array([river, top]))]))
    # A way of which the extract has no node.
    with osmium.SimpleWriter(file) as writer:
        for at, point in enumerate(nodes):
            writer.add_node(osmium.osm.mutable.Node(id=at + 1, location=tuple(plane.degrees(point))))
        for number, (name, kind, line) in enumerate(ways):
            tags = {"waterway" if kind == "river" else "highway": kind} | ({"name": name} if name else {})
            writer.add_way(osmium.osm.mutable.Way(id=number + 1, nodes=[at + 1 for at in line], tags=tags))
        writer.add_way(osmium.osm.mutable.Way(id=len(ways) + 1, nodes=[10**9, 10**9 + 1], tags={"highway": "residential"}))
    print(json.dumps({"nodes": len(nodes), "ways": len(ways)}))


class Ways(osmium.SimpleHandler):
    def __init__(self):
        super().__init__()
        self.streets, self.river = [], None

    def way(self, way):
        try:
            line = [(node.ref, node.location.lon, node.location.lat) for node in way.nodes]
        except osmium.InvalidLocationError:
            return
        if "highway" in way.tags:
            self.streets.append((way.tags.get("name", ""), line))
        else:
            self.river = line[0][1]


def spelt(name):
    """Names are compared as the server spells them: the generator's are in that spelling but for their letters' case."""
    return name.upper()


def check(server, cut, file):
    told = ask(server, f"/v1/turf-cuts/{cut}")
    rows = ask(server, f"/v1/turf-cuts/{cut}/doors")["rows"]
    known = Ways()
    known.apply_file(file, locations=True)
    plane = Plane(places_of(rows))
    graph, segments = nx.Graph(), []
    for name, line in known.streets:
        at = plane.metres([[x, y] for _, x, y in line])
        for (one, *_), (other, *_), a, b in zip(line, line[1:], at, at[1:]):
            graph.add_edge(one, other, weight=float(np.hypot(*(b - a))))
            segments.append((one, other, a, b, spelt(name)))
    a, b = np.array([s[2] for s in segments]), np.array([s[3] for s in segments])
    names = np.array([s[4] for s in segments])
    on = collections.defaultdict(list)
    off = np.zeros(len(rows))
    xy = plane.metres(places_of(rows))
    for i, (row, point) in enumerate(zip(rows, xy)):
        along = b - a
        share = np.clip(((point - a) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12), 0, 1)
        far = np.hypot(*(point - (a + share[:, None] * along)).T)
        rank = far + np.where((names == spelt(row["street"])) & (names != ""), 0, OTHER_NAME)
        rank[far > REACH] = math.inf
        best = int(np.argmin(rank))
        expect(rank[best] < math.inf, "every house is near a street")
        on[best].append((float(share[best]), i))
        off[i] = far[best]
    for segment, stops in on.items():
        one, other, p, q, _ = segments[segment]
        graph.remove_edge(one, other)
        length = float(np.hypot(*(q - p)))
        before, begun = one, 0.0
        for share, i in sorted(stops):
            graph.add_edge(before, ("stop", i), weight=(share - begun) * length)
            before, begun = ("stop", i), share
        graph.add_edge(before, other, weight=(1 - begun) * length)

    def way(one, other):
        straight = float(np.hypot(*(xy[one] - xy[other])))
        if straight < 1:
            return straight
        metres = nx.bidirectional_dijkstra(graph, ("stop", one), ("stop", other))[0]
        return metres + off[one] + off[other]

    east = np.array([row["longitude"] for row in rows]) > known.river
    expect(0.1 < east.mean() < 0.9, "there are houses on both banks")
    turf_of = np.array([row["turf_number"] for row in rows])
    metres = 0.0
    for turf in told["turfs"]:
        own = np.flatnonzero(turf_of == turf["number"])
        expect(len(set(east[own])) == 1, f"turf {turf['number']} is on one bank")
        if len(own) < 2:
            continue
        legs = [way(own[i - 1], own[i]) for i in range(len(own))]
        for i in range(1, len(own)):
            given = rows[own[i]]["metres"]
            expect(abs(given - legs[i]) < 0.5 + 0.003 * legs[i], f"stop {rows[own[i]]['stop']} of turf {turf['number']} is {legs[i]:.1f} m on, told are {given}")
        expect(abs(turf["metres"] - sum(legs)) < 2 + 0.003 * sum(legs), f"the metres of turf {turf['number']}: {sum(legs):.0f}, told are {turf['metres']}")
        stay = sum(1.5 * len(rows[i]["households"]) + sum(len(home["people"]) for home in rows[i]["households"]) for i in own)
        minutes = stay + sum(min(leg, 600) / 75 + max(leg - 600, 0) / 700 for leg in legs)
        expect(abs(turf["minutes"] - minutes) < 0.5 + 0.003 * minutes, f"the minutes of turf {turf['number']}: {minutes:.1f}, told are {turf['minutes']}")
        metres += sum(legs)
    minutes = [turf["minutes"] for turf in told["turfs"]]
    print(json.dumps({"turfs": len(minutes), "metres": round(metres), "spread": round(max(minutes) / min(minutes), 3)}))


{"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
