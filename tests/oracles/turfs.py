"""Checks the turfs of a cut from what the server tells of them alone.

turfs.py SERVER CUT [MOST_SPREAD]

Every person and every door is on one list; the stops of each turf hang together in the Delaunay triangulation that scipy
makes of all stops; minutes and metres are added up again; outlines hold their stops and do not overlap (shapely); the
rounds are as short as fast-tsp finds them.
"""

import collections
import json
import math
import sys

import fast_tsp
import numpy as np
import shapely
from common import ask, expect
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay

SPHERE = 6_371_008.8


def on_a_plane(rows):
    """Metres east and north of the middle."""
    places = np.array([[row["longitude"], row["latitude"]] for row in rows])
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    degree = SPHERE * math.pi / 180
    return (places - middle) * [degree * math.cos(math.radians(middle[1])), degree]


def minutes_of_way(metres, request):
    on_foot = np.minimum(metres, request["drive_beyond"]) / request["on_foot"]
    return on_foot + np.maximum(metres - request["drive_beyond"], 0) / request["driven"]


def main(server, cut, most_spread=None):
    told = ask(server, f"/v1/turf-cuts/{cut}")
    rows = ask(server, f"/v1/turf-cuts/{cut}/doors")["rows"]
    pace = {"on_foot": 75.0, "drive_beyond": 600.0, "driven": 700.0}

    people = [(p["state"], p["voter_id"]) for row in rows for home in row["households"] for p in home["people"]]
    expect(len(people) == len(set(people)), "nobody is on two lists")
    homes = collections.Counter((row["door"], home["unit"]) for row in rows for home in row["households"])
    expect(max(homes.values()) == 1, "every household is on one list")

    xy = on_a_plane(rows)
    spots, at = np.unique(np.round(xy, 2), axis=0, return_inverse=True)
    edges = [np.array([], dtype=int)] * 2
    if len(spots) > 3:
        corners = Delaunay(spots).simplices
        edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]).T
    turf_of = np.array([row["turf_number"] for row in rows])
    metres, way, shortest = 0.0, {}, 0.0
    for turf in told["turfs"]:
        own = np.flatnonzero(turf_of == turf["number"])
        numbers = [rows[i]["stop"] for i in own]
        expect(numbers == sorted(numbers) and len(set(numbers)) == len(numbers), f"the stops of turf {turf['number']} are in order")
        inside = np.zeros(len(spots), bool)
        inside[at[own]] = True
        kept = inside[edges[0]] & inside[edges[1]] if len(spots) > 3 else []
        graph = coo_matrix((np.ones(np.sum(kept)), (edges[0][kept], edges[1][kept])), shape=(len(spots),) * 2)
        parts, part_of = connected_components(graph, directed=False)
        whole = len(spots) <= 3 or len(set(part_of[np.flatnonzero(inside)])) == 1
        expect(whole, f"turf {turf['number']} hangs together")
        round_trip = xy[own]
        steps = np.hypot(*(np.roll(round_trip, -1, axis=0) - round_trip).T)
        stay = sum(1.5 * len(rows[i]["households"]) + sum(len(home["people"]) for home in rows[i]["households"]) for i in own)
        minutes = stay + minutes_of_way(steps, pace).sum()
        expect(abs(steps.sum() - turf["metres"]) < 1 + 0.002 * turf["metres"], f"the metres of turf {turf['number']}")
        expect(abs(minutes - turf["minutes"]) < 0.2 + 0.002 * minutes, f"the minutes of turf {turf['number']}: {minutes} and {turf['minutes']}")
        metres += steps.sum()
        if len(own) > 4:
            apart = np.hypot(*(round_trip[:, None] - round_trip[None]).transpose(2, 0, 1))
            scale = 60_000 / max(apart.max(), 1)
            order = fast_tsp.find_tour((apart * scale).astype(np.uint16), duration_seconds=0.02)
            shortest += sum(apart[order[i - 1], order[i]] for i in range(len(order)))
        else:
            shortest += steps.sum()
        outline = shapely.geometry.shape(turf["outline"])
        expect(outline.is_valid and not outline.is_empty, f"the outline of turf {turf['number']} is a valid shape")
        places = shapely.points([[rows[i]["longitude"], rows[i]["latitude"]] for i in own])
        expect(shapely.distance(outline, places).max() < 1e-6, f"turf {turf['number']} has its stops within its outline")
        way[turf["number"]] = outline
    tree = shapely.STRtree(list(way.values()))
    for one, other in zip(*tree.query(list(way.values()), predicate="overlaps")):
        shapes = list(way.values())
        shared = shapes[one].intersection(shapes[other]).area
        expect(one == other or shared < 1e-4 * min(shapes[one].area, shapes[other].area), "outlines do not overlap")

    minutes = [turf["minutes"] for turf in told["turfs"]]
    spread = max(minutes) / min(minutes)
    expect(abs(spread - told["minutes_spread"]) < 0.01, f"the spread of minutes is {spread}, told is {told['minutes_spread']}")
    if most_spread:
        expect(spread <= float(most_spread), f"the minutes are within {most_spread}: they are {spread:.3f}")
    expect(metres <= shortest * 1.02, f"the rounds take {metres:.0f} m, fast-tsp's {shortest:.0f} m")
    print(json.dumps({"turfs": len(minutes), "people": len(people), "spread": round(spread, 4), "metres": round(metres), "fast_tsp": round(shortest)}))


main(*sys.argv[1:])
