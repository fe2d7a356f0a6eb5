-- Votes on the lines of every district. States and counties are those that counted the votes; markets follow
-- from counties. For the other kinds a precinct's own code decides where it names the district, else the
-- crosswalk. Votes of precincts without an outline stay under a null id, so that no total loses a vote.
WITH placed AS (
  SELECT entry, 'state' AS kind, state AS id, 1.0 AS share, 'counted' AS method, votes FROM votes_cast
  UNION ALL
  SELECT entry, 'county', county_fips, 1.0, 'counted', votes FROM votes_cast
  UNION ALL
  SELECT v.entry, 'media_market', m.market_id, 1.0, 'counted', v.votes
  FROM votes_cast v
  LEFT JOIN media_markets m ON m.county_fips = v.county_fips
  UNION ALL
  SELECT v.entry, 'precinct', o.district_id, 1.0, 'counted', v.votes
  FROM votes_cast v
  LEFT JOIN (SELECT DISTINCT district_id FROM boundaries WHERE kind = 'precinct') o ON o.district_id = v.precinct_id
  UNION ALL
  SELECT entry, 'congressional', congressional_named, 1.0, 'counted', votes
  FROM votes_cast WHERE congressional_named IS NOT NULL
  UNION ALL
  SELECT entry, 'state_senate', state_senate_named, 1.0, 'counted', votes
  FROM votes_cast WHERE state_senate_named IS NOT NULL
  UNION ALL
  SELECT entry, 'state_house', state_house_named, 1.0, 'counted', votes
  FROM votes_cast WHERE state_house_named IS NOT NULL
  UNION ALL
  SELECT v.entry, 'congressional', s.district_id, coalesce(s.share, 1.0), coalesce(s.method, 'counted'), v.votes
  FROM votes_cast v
  LEFT JOIN crosswalk s ON s.precinct_id = v.precinct_id AND s.kind = 'congressional'
  WHERE v.congressional_named IS NULL
  UNION ALL
  SELECT v.entry, 'state_senate', s.district_id, coalesce(s.share, 1.0), coalesce(s.method, 'counted'), v.votes
  FROM votes_cast v
  LEFT JOIN crosswalk s ON s.precinct_id = v.precinct_id AND s.kind = 'state_senate'
  WHERE v.state_senate_named IS NULL
  UNION ALL
  SELECT v.entry, 'state_house', s.district_id, coalesce(s.share, 1.0), coalesce(s.method, 'counted'), v.votes
  FROM votes_cast v
  LEFT JOIN crosswalk s ON s.precinct_id = v.precinct_id AND s.kind = 'state_house'
  WHERE v.state_house_named IS NULL
),
summed AS (
  SELECT
    entry, kind, id,
    sum(votes * share) AS votes,
    max(CASE method WHEN 'area' THEN 3 WHEN 'population' THEN 2 WHEN 'voters' THEN 1 ELSE 0 END) AS roughest,
    sum(CASE WHEN method = 'counted' THEN votes ELSE 0.0 END) AS low,
    sum(votes) AS high
  FROM placed
  GROUP BY entry, kind, id
)
SELECT
  e.source, e.state, s.kind, s.id, e.election, e.contest, e.candidate, e.party, e.party_raw, e.mode,
  s.votes, CASE s.roughest WHEN 0 THEN 'counted' WHEN 1 THEN 'voters' WHEN 2 THEN 'population' ELSE 'area' END AS method,
  s.low, s.high
FROM summed s
JOIN vote_entries e ON e.entry = s.entry
ORDER BY s.kind, e.election, e.contest, s.id, e.candidate, e.party_raw, e.mode
