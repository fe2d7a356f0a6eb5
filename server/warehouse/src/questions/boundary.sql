SELECT vintage, geometry
FROM boundaries
WHERE kind = $1 AND district_id = $2 AND ($3::INTEGER IS NULL OR vintage = $3::INTEGER)
ORDER BY vintage DESC
LIMIT 1
