-- Outlines of one kind, the newest vintage of each state.
SELECT district_id, state, vintage, geometry
FROM boundaries b
WHERE kind = ?
  AND vintage = (
    SELECT max(n.vintage) FROM boundaries n
    WHERE n.kind = b.kind AND coalesce(n.state, '') = coalesce(b.state, '')
  )
ORDER BY district_id
