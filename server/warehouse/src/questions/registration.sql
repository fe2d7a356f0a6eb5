SELECT dimension, value, voters
FROM district_registration
WHERE kind = $1 AND id = $2
ORDER BY dimension, value
