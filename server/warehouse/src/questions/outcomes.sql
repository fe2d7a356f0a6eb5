-- An outcome ($2) of an experiment ($1). Whom the treatment reached is what was given, else who was talked to from the day
-- of the draw on.
WITH reached AS (
  SELECT DISTINCT c.state, c.voter_id
  FROM contacts c
  JOIN experiments e ON e.experiment = $1::VARCHAR
  WHERE c.result = 'canvassed' AND c.contacted_on >= CAST(substr(e.created, 1, 10) AS DATE)
)
SELECT
  a.cluster, CASE WHEN a.arm = 'treatment' THEN 1 ELSE 0 END AS assigned, o.value,
  CASE WHEN coalesce(o.treated, r.voter_id IS NOT NULL) THEN 1 ELSE 0 END AS treated
FROM assignments a
JOIN outcomes o ON o.experiment = a.experiment AND o.state = a.state AND o.voter_id = a.voter_id
LEFT JOIN reached r ON r.state = a.state AND r.voter_id = a.voter_id
WHERE a.experiment = $1::VARCHAR AND o.outcome = $2::VARCHAR
ORDER BY 1, 3
