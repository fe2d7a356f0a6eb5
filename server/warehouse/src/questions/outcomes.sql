-- Outcomes of an experiment ($1): those that were given, and participation in an election where one is named ($2). Whom
-- the treatment reached is what was given, else who was talked to from the day of the draw on.
WITH drawn AS (
  SELECT a.state, a.voter_id, a.cluster, a.arm
  FROM assignments a
  WHERE a.experiment = $1::VARCHAR
),
reached AS (
  SELECT DISTINCT c.state, c.voter_id
  FROM contacts c
  JOIN experiments e ON e.experiment = $1::VARCHAR
  WHERE c.result = 'canvassed' AND c.contacted_on >= CAST(substr(e.created, 1, 10) AS DATE)
),
took_part AS (
  SELECT DISTINCT h.state, h.voter_id
  FROM voter_history h
  WHERE h.election = $2::VARCHAR AND h.voted
)
SELECT o.outcome, d.cluster, CASE WHEN d.arm = 'treatment' THEN 1 ELSE 0 END AS assigned, o.value,
  CASE WHEN coalesce(o.treated, r.voter_id IS NOT NULL) THEN 1 ELSE 0 END AS treated
FROM drawn d
JOIN outcomes o ON o.experiment = $1::VARCHAR AND o.state = d.state AND o.voter_id = d.voter_id
LEFT JOIN reached r ON r.state = d.state AND r.voter_id = d.voter_id
UNION ALL
SELECT
  'turnout ' || $2::VARCHAR, d.cluster, CASE WHEN d.arm = 'treatment' THEN 1 ELSE 0 END, CASE WHEN t.voter_id IS NULL THEN 0e0 ELSE 1e0 END,
  CASE WHEN r.voter_id IS NOT NULL THEN 1 ELSE 0 END
FROM drawn d
LEFT JOIN took_part t ON t.state = d.state AND t.voter_id = d.voter_id
LEFT JOIN reached r ON r.state = d.state AND r.voter_id = d.voter_id
WHERE $2::VARCHAR IS NOT NULL
ORDER BY 1, 2, 4
