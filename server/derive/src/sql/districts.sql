-- Districts of the newest lines with their voters; markets also where only the crosswalk names them, states
-- also where only their counties or voters are loaded.
WITH newest AS (
  SELECT kind, district_id AS id, name, state, vintage
  FROM boundaries b
  WHERE vintage = (
    SELECT max(n.vintage) FROM boundaries n
    WHERE n.kind = b.kind AND coalesce(n.state, '') = coalesce(b.state, '')
  )
),
markets AS (
  SELECT 'media_market' AS kind, market_id AS id, min(market) AS name, NULL AS state, NULL AS vintage
  FROM media_markets
  WHERE market_id NOT IN (SELECT id FROM newest WHERE kind = 'media_market')
  GROUP BY market_id
),
states AS (
  SELECT 'state' AS kind, state AS id, state AS name, state, NULL AS vintage
  FROM (SELECT state FROM newest WHERE kind <> 'state' UNION SELECT state FROM voters)
  WHERE state IS NOT NULL AND state NOT IN (SELECT id FROM newest WHERE kind = 'state')
  GROUP BY state
),
counted AS (
  SELECT 'state' AS kind, state AS id, count(*) AS voters FROM voter_districts GROUP BY state
  UNION ALL SELECT 'county', county, count(*) FROM voter_districts GROUP BY county
  UNION ALL SELECT 'precinct', precinct, count(*) FROM voter_districts GROUP BY precinct
  UNION ALL SELECT 'congressional', congressional, count(*) FROM voter_districts GROUP BY congressional
  UNION ALL SELECT 'state_senate', state_senate, count(*) FROM voter_districts GROUP BY state_senate
  UNION ALL SELECT 'state_house', state_house, count(*) FROM voter_districts GROUP BY state_house
  UNION ALL SELECT 'media_market', media_market, count(*) FROM voter_districts GROUP BY media_market
)
SELECT d.kind, d.id, d.name, d.state, d.vintage, coalesce(c.voters, 0) AS voters
FROM (SELECT * FROM newest UNION ALL SELECT * FROM markets UNION ALL SELECT * FROM states) d
LEFT JOIN counted c ON c.kind = d.kind AND c.id = d.id
ORDER BY d.kind, d.id
