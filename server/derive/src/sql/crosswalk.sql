-- A precinct that a line cuts is shared out by the voters who live in each of its parts, as far as their addresses are
-- matched; where there are none, by area.
WITH homes AS (
  SELECT d.precinct, d.county, d.congressional, d.state_senate, d.state_house
  FROM voter_districts d
  JOIN geocodes g ON g.state = d.state AND g.voter_id = d.voter_id
  WHERE g.quality = 'address' AND d.precinct IS NOT NULL
),
living AS (
  SELECT precinct, 'county' AS kind, county AS district_id, count(*) AS voters
  FROM homes WHERE county IS NOT NULL GROUP BY precinct, county
  UNION ALL
  SELECT precinct, 'congressional' AS kind, congressional AS district_id, count(*) AS voters
  FROM homes WHERE congressional IS NOT NULL GROUP BY precinct, congressional
  UNION ALL
  SELECT precinct, 'state_senate' AS kind, state_senate AS district_id, count(*) AS voters
  FROM homes WHERE state_senate IS NOT NULL GROUP BY precinct, state_senate
  UNION ALL
  SELECT precinct, 'state_house' AS kind, state_house AS district_id, count(*) AS voters
  FROM homes WHERE state_house IS NOT NULL GROUP BY precinct, state_house
),
parts AS (
  SELECT p.state, p.precinct_id, p.kind, p.district_id, p.share, p.method, coalesce(l.voters, 0) AS voters
  FROM precinct_districts p
  LEFT JOIN living l ON l.precinct = p.precinct_id AND l.kind = p.kind AND l.district_id = p.district_id
),
wholes AS (
  SELECT precinct_id, kind, sum(voters) AS voters FROM parts GROUP BY precinct_id, kind
)
SELECT
  p.state, p.precinct_id, p.kind, p.district_id,
  CASE WHEN p.method = 'counted' OR w.voters = 0 THEN p.share ELSE p.voters / w.voters END AS share,
  CASE WHEN p.method = 'counted' THEN 'counted' WHEN w.voters = 0 THEN 'area' ELSE 'voters' END AS method
FROM parts p
JOIN wholes w ON w.precinct_id = p.precinct_id AND w.kind = p.kind
ORDER BY p.kind, p.precinct_id, p.district_id
