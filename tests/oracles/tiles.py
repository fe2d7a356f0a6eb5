"""Vector tiles, read by an independent decoder: districts that share a border on the earth share it in the tile, at every
zoom, what is drawn has the size of what it shows, and what districts carry is what POST /v1/aggregates answers."""

import json
import math
import sys
import urllib.parse
import urllib.request
from collections import Counter

import mapbox_vector_tile
import shapely
from shapely.geometry import shape

url, kind = sys.argv[1:3]
LOW, HIGH = -64, 4096 + 64


def get(path):
    return urllib.request.urlopen(url + path).read()


def projected(longitude, latitude):
    north = math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
    return longitude / 360 + 0.5, 0.5 - north / math.tau


def edges(polygon):
    for ring in [polygon.exterior, *polygon.interiors]:
        points = list(ring.coords)
        for one, other in zip(points, points[1:]):
            yield (min(one, other), max(one, other))


about = json.loads(get(f"/v1/tiles/{kind}"))
west, south, east, north = about["bounds"]
ids = [row["id"] for row in json.loads(get(f"/v1/districts?kind={kind}&limit=100000"))["rows"]]
outlines = {}
for district in ids:
    try:
        outline = shape(json.loads(get(f"/v1/districts/{kind}/{district}/boundary"))["geometry"])
        outlines[district] = shapely.make_valid(shapely.transform(outline, lambda p: [projected(*point) for point in p]))
    except urllib.error.HTTPError:
        pass
where = {"field": "party", "in": ["DEM", "REP"]}
query = urllib.parse.urlencode({"measures": "voters,share", "where": json.dumps(where)})
body = json.dumps({"where": where, "by": [kind], "measures": ["voters", "share"]}).encode()
request = urllib.request.Request(url + "/v1/aggregates", data=body, headers={"content-type": "application/json"})
counted = {row[kind]: row for row in json.loads(urllib.request.urlopen(request).read())["rows"]}

seen, tiles = set(), 0
for zoom in (5, 8, 10, 12):
    (left, top), (right, bottom) = projected(west, north), projected(east, south)
    across = 1 << zoom
    columns = range(int(left * across), int(right * across) + 1)
    rows = range(int(top * across), int(bottom * across) + 1)
    # Of many tiles a spread of some.
    every = [(column, row) for column in columns for row in rows]
    for column, row in every[:: max(1, len(every) // 6)]:
        tile = get(f"/v1/tiles/{kind}/{zoom}/{column}/{row}?{query}")
        if not tile:
            continue
        tiles += 1
        layer = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})[kind]
        assert layer["extent"] == 4096
        uses, drawn, shown = Counter(), [], 0.0
        # What the tile shows, in units of the tile.
        frame = shapely.box(LOW, LOW, HIGH, HIGH)
        for feature in layer["features"]:
            told = feature["properties"]
            seen.add(told["id"])
            row_of = counted.get(told["id"])
            assert told.get("voters") == (row_of or {}).get("voters"), told
            assert math.isclose(told.get("share") or 0, (row_of or {}).get("share") or 0), told
            polygon = shape(feature["geometry"])
            drawn.append(polygon)
            for part in getattr(polygon, "geoms", [polygon]):
                uses.update(edges(part))
                for x, y in part.exterior.coords:
                    assert LOW <= x <= HIGH and LOW <= y <= HIGH, "a point beyond the margin"
            true = shapely.transform(outlines[told["id"]], lambda p: (p * across - [column, row]) * 4096)
            true = true.intersection(frame).area
            size = max(true, polygon.area)
            assert abs(true - polygon.area) < 0.05 * size + 6 * polygon.length + 400, (zoom, told["id"], true, polygon.area)
            shown += polygon.area
        # Nobody draws over a neighbour, and no gap opens: no edge is drawn by three, and the areas add up.
        assert max(uses.values()) <= 2, "an edge is drawn by more than two"
        union = shapely.unary_union([shapely.make_valid(polygon) for polygon in drawn])
        overlap = shown - union.area
        assert abs(overlap) < 0.002 * shown + 50, f"zoom {zoom}: {overlap:.0f} of {shown:.0f} square units lie over each other"
        expected = shapely.unary_union(
            [shapely.transform(outline, lambda p: (p * across - [column, row]) * 4096) for outline in outlines.values()]
        ).intersection(frame)
        gaps = expected.difference(union).area
        # What is left open lies along the outer border, a few units wide, or was too small to be seen.
        assert gaps < 8 * expected.length + 0.01 * expected.area + 400, f"zoom {zoom}: gaps of {gaps:.0f} in {expected.area:.0f}"
assert tiles >= 8, f"{tiles} tiles"
print(f"{tiles} tiles, {len(seen)} of {len(outlines)} districts seen: borders shared, sizes and figures right")
