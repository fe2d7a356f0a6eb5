-- Votes of every precinct in the best data set of each contest, all modes together. Contests most of whose votes lie in
-- precincts without an outline cannot be carried onto other lines and are left out.
WITH chosen AS (
  SELECT state, election, contest, coalesce(max(CASE WHEN source LIKE 'vest%' THEN source END), max(source)) AS source
  FROM contests
  GROUP BY state, election, contest
),
outlined AS (
  SELECT DISTINCT district_id FROM boundaries WHERE kind = 'precinct'
),
votes AS (
  SELECT r.state, r.source, r.election, r.contest, r.candidate, r.party, o.district_id AS precinct, sum(r.votes) AS votes
  FROM results r
  JOIN chosen c ON c.state = r.state AND c.election = r.election AND c.contest = r.contest AND c.source = r.source
  LEFT JOIN outlined o ON o.district_id = r.precinct_id
  GROUP BY r.state, r.source, r.election, r.contest, r.candidate, r.party, o.district_id
),
placed AS (
  SELECT state, election, contest
  FROM votes
  GROUP BY state, election, contest
  HAVING sum(CASE WHEN precinct IS NULL THEN votes ELSE 0 END) <= 0.02 * sum(votes)
)
SELECT v.state, v.source, v.election, v.contest, v.candidate, v.party, v.precinct, v.votes
FROM votes v
JOIN placed p ON p.state = v.state AND p.election = v.election AND p.contest = v.contest
ORDER BY v.election DESC, v.contest, v.candidate, v.party, v.precinct
