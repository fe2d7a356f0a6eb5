SELECT district_id AS id, name, state, vintage, geometry
FROM boundaries b
WHERE kind = $1
  AND vintage = (
    SELECT max(n.vintage) FROM boundaries n
    WHERE n.kind = b.kind AND coalesce(n.state, '') = coalesce(b.state, '')
  )
ORDER BY district_id
