SELECT DISTINCT vintage
FROM boundaries
WHERE kind = $1 AND district_id = $2
ORDER BY vintage DESC
