SELECT kind, id, name, state, vintage, voters
FROM districts
WHERE ($1::VARCHAR IS NULL OR kind = $1::VARCHAR)
  AND ($2::VARCHAR IS NULL OR state = $2::VARCHAR)
ORDER BY kind, id
LIMIT $3 OFFSET $4
