-- Participation of the people of an experiment ($1) in an election ($2), and who was talked to from the day of the draw on.
WITH reached AS (
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
SELECT
  a.cluster, CASE WHEN a.arm = 'treatment' THEN 1 ELSE 0 END AS assigned,
  CASE WHEN t.voter_id IS NULL THEN 0e0 ELSE 1e0 END AS value,
  CASE WHEN r.voter_id IS NULL THEN 0 ELSE 1 END AS treated
FROM assignments a
LEFT JOIN took_part t ON t.state = a.state AND t.voter_id = a.voter_id
LEFT JOIN reached r ON r.state = a.state AND r.voter_id = a.voter_id
WHERE a.experiment = $1::VARCHAR
ORDER BY 1, 3
