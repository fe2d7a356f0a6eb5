-- A precinct that a line cuts is shared out by the voters who live in each of its parts, where at least ten are matched
-- to their addresses; else by the people who live there. Points of population are few (a precinct has one or two
-- block groups), so the area goes in beside them with the weight of one average point of the precinct: with one point
-- each counts half, with a hundred blocks the area hardly counts. Where no point lies, area alone decides.
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
  SELECT
    p.state, p.precinct_id, p.kind, p.district_id, p.share, p.method, coalesce(l.voters, 0) AS voters,
    coalesce(n.population, 0) AS population, coalesce(n.points, 0) AS points
  FROM precinct_districts p
  LEFT JOIN living l ON l.precinct = p.precinct_id AND l.kind = p.kind AND l.district_id = p.district_id
  LEFT JOIN people_of_parts n ON n.precinct_id = p.precinct_id AND n.kind = p.kind AND n.district_id = p.district_id
),
wholes AS (
  SELECT
    precinct_id, kind, sum(voters) AS voters, sum(population) AS population,
    sum(population) / nullif(sum(points), 0) AS of_a_point
  FROM parts
  GROUP BY precinct_id, kind
)
SELECT
  p.state, p.precinct_id, p.kind, p.district_id,
  CASE
    WHEN p.method = 'counted' THEN p.share
    WHEN w.voters >= 10 THEN p.voters / w.voters
    WHEN w.population > 0 THEN (p.population + w.of_a_point * p.share) / (w.population + w.of_a_point)
    ELSE p.share
  END AS share,
  CASE
    WHEN p.method = 'counted' THEN 'counted'
    WHEN w.voters >= 10 THEN 'voters'
    WHEN w.population > 0 THEN 'population'
    ELSE 'area'
  END AS method
FROM parts p
JOIN wholes w ON w.precinct_id = p.precinct_id AND w.kind = p.kind
ORDER BY p.kind, p.precinct_id, p.district_id
