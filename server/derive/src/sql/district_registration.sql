-- Registration by dimension. Voters are first counted by their whole set of districts, then rolled up by kind.
-- Age is taken on the day of the last registration in the state's file, so that a release always answers alike.
WITH dated AS (
  SELECT state, year(max(registered_on)) AS year FROM voters GROUP BY state
),
coded AS (
  SELECT
    d.state, d.county, d.precinct, d.congressional, d.state_senate, d.state_house, d.media_market,
    [
      {'dimension': 'party', 'value': coalesce(v.party, 'UNK')},
      {'dimension': 'age', 'value': CASE
        WHEN v.birth_year IS NULL OR t.year IS NULL OR t.year - v.birth_year > 120 THEN 'unknown'
        WHEN t.year - v.birth_year < 18 THEN 'under 18'
        WHEN t.year - v.birth_year < 25 THEN '18-24'
        WHEN t.year - v.birth_year < 35 THEN '25-34'
        WHEN t.year - v.birth_year < 45 THEN '35-44'
        WHEN t.year - v.birth_year < 55 THEN '45-54'
        WHEN t.year - v.birth_year < 65 THEN '55-64'
        WHEN t.year - v.birth_year < 75 THEN '65-74'
        ELSE '75 and over' END},
      {'dimension': 'gender', 'value': coalesce(v.gender, 'U')},
      {'dimension': 'race', 'value': coalesce(v.race, 'unknown')},
      {'dimension': 'status', 'value': coalesce(v.status, 'unknown')},
      {'dimension': 'market', 'value': coalesce(d.media_market, 'unknown')},
      {'dimension': 'located', 'value': g.quality},
      {'dimension': 'disagrees', 'value': coalesce(d.disagrees, 'none')}
    ] AS codes
  FROM voter_districts d
  JOIN voters v ON v.state = d.state AND v.voter_id = d.voter_id
  JOIN geocodes g ON g.state = d.state AND g.voter_id = d.voter_id
  LEFT JOIN dated t ON t.state = d.state
),
counted AS (
  SELECT
    state, county, precinct, congressional, state_senate, state_house, media_market,
    code.dimension AS dimension, code.value AS value, count(*) AS voters
  FROM (SELECT state, county, precinct, congressional, state_senate, state_house, media_market, unnest(codes) AS code FROM coded)
  GROUP BY ALL
)
SELECT kind, id, dimension, value, sum(voters)::BIGINT AS voters
FROM (
  SELECT 'state' AS kind, state AS id, dimension, value, voters FROM counted
  UNION ALL SELECT 'county', county, dimension, value, voters FROM counted
  UNION ALL SELECT 'precinct', precinct, dimension, value, voters FROM counted
  UNION ALL SELECT 'congressional', congressional, dimension, value, voters FROM counted
  UNION ALL SELECT 'state_senate', state_senate, dimension, value, voters FROM counted
  UNION ALL SELECT 'state_house', state_house, dimension, value, voters FROM counted
  UNION ALL SELECT 'media_market', media_market, dimension, value, voters FROM counted
)
WHERE id IS NOT NULL
GROUP BY kind, id, dimension, value
ORDER BY kind, id, dimension, value
