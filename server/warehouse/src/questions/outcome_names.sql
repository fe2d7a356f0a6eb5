SELECT DISTINCT o.outcome
FROM outcomes o
WHERE o.experiment = $1::VARCHAR
ORDER BY o.outcome
