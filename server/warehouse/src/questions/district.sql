SELECT kind, id, name, state, vintage, voters
FROM districts
WHERE kind = $1 AND id = $2
