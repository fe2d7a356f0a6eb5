-- Every area of one kind that any vintage has, each in its newest outline.
SELECT district_id, state, vintage, geometry
FROM boundaries b
WHERE kind = ?
  AND vintage = (
    SELECT max(n.vintage) FROM boundaries n
    WHERE n.kind = b.kind AND n.district_id = b.district_id
  )
ORDER BY district_id
