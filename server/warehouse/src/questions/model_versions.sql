SELECT model, max(version) AS version
FROM models
WHERE state = $1
GROUP BY model
