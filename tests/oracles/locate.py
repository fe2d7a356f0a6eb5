"""Locates 100,000 random points with shapely over the source files and compares with `bellwether locate`; then the
borders: every vertex and the middles of edges belong to exactly one district, the first by id of those that touch
them. Usage: locate.py DATA BINARY LAKE"""

import gzip
import io
import json
import os
import random
import subprocess
import sys
import zipfile

import numpy
import shapefile
import shapely
from shapely.geometry import shape

import common

data, binary, lake = sys.argv[1:]
folder = os.path.join(data, "boundaries", "co")


def zipped(name, district_id):
    with zipfile.ZipFile(os.path.join(folder, name)) as archive:
        stem = name[:-4]
        parts = {end: io.BytesIO(archive.read(f"{stem}.{end}")) for end in ("shp", "dbf")}
        reader = shapefile.Reader(**parts)
        return [(district_id(r.record.as_dict()), shape(r.shape.__geo_interface__)) for r in reader.shapeRecords()]


def legislative(letters, field):
    return lambda record: f"CO-{letters}-{int(record[field]):02d}"


with gzip.open(os.path.join(folder, "tl_2020_08_vtd20.geojson.gz")) as file:
    precincts = [(f["properties"]["GEOID20"], shape(f["geometry"])) for f in json.load(file)["features"]]
layers = {
    "county": zipped("tl_2020_08_county20.zip", lambda record: record["GEOID20"]),
    "congressional": zipped("tl_2022_08_cd118.zip", legislative("CD", "CD118FP")),
    "state_senate": zipped("tl_2022_08_sldu.zip", legislative("SD", "SLDUST")),
    "state_house": zipped("tl_2022_08_sldl.zip", legislative("HD", "SLDLST")),
    "precinct": precincts,
}


def locate(points):
    lines = "".join(f"{x!r},{y!r}\n" for x, y in points)
    done = subprocess.run([binary, "--lake", lake, "locate"], input=lines, capture_output=True, text=True, check=True)
    rows = [line.split(",") for line in done.stdout.splitlines()]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def touching(kind, points):
    """For each point the sorted ids of the districts that cover it, borders included."""
    ids, shapes = zip(*sorted(layers[kind], key=lambda pair: pair[0]))
    shapes = numpy.array(shapes)
    shapely.prepare(shapes)
    geometries = shapely.points([p[0] for p in points], [p[1] for p in points])
    found = [[] for _ in points]
    for district, point in zip(*shapely.STRtree(geometries).query(shapes, predicate="covers")):
        found[point].append(ids[district])
    return found


def compare(points):
    got = locate(points)
    for kind in layers:
        for point, row, ids in zip(points, got, touching(kind, points)):
            expect = min(ids) if ids else ""
            if row[kind] != expect:
                common.fail(f"{kind} at {point}: {row[kind]!r} instead of {expect!r} of {ids}")


draw = random.Random(20)
points = [(draw.uniform(-109.2, -101.9), draw.uniform(36.9, 41.1)) for _ in range(100_000)]
compare(points)
print("100000 points agree")

# Vertices are met exactly; the middle of an edge in floating point may lie a hair off it, for shapely and for us.
vertices = []
for kind, areas in layers.items():
    for _, area in areas[:: max(1, len(areas) // 60)]:
        corners = shapely.get_coordinates(area)
        vertices.extend((float(x), float(y)) for x, y in corners[:: max(1, len(corners) // 20)])
compare(vertices)
print(f"{len(vertices)} vertices agree")
