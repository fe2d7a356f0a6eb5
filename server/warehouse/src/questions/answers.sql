-- What voters of a state ($1) last answered from a day ($2) on and before another ($3): 1 for support, 0 for opposition.
-- Who is undecided is neither.
WITH answered AS (
  SELECT c.voter_id, c.support,
    row_number() OVER (PARTITION BY c.voter_id ORDER BY c.contacted_on DESC, c.support) AS back
  FROM (
    SELECT state, voter_id, contacted_on, support FROM contacts
    UNION ALL SELECT state, voter_id, contacted_on, support FROM told_contacts
  ) c
  WHERE c.state = $1 AND c.support IS NOT NULL AND c.contacted_on >= CAST($2::VARCHAR AS DATE)
    AND ($3::VARCHAR IS NULL OR c.contacted_on < CAST($3::VARCHAR AS DATE))
)
SELECT voter_id, CASE WHEN support < 3 THEN 1e0 ELSE 0e0 END AS answer
FROM answered
WHERE back = 1 AND support <> 3
