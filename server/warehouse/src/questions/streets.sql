-- The ways of the street network that touch a rectangle: west, south, east, north in degrees.
SELECT name, street_key, class, lanes, walkable, minor, barrier, geometry
FROM streets
WHERE east >= $1 AND north >= $2 AND west <= $3 AND south <= $4
ORDER BY source, way_id, south, west
