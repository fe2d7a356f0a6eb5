SELECT max(version) AS version
FROM models
WHERE state = $1 AND model = $2
