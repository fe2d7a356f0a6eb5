-- Votes on the lines of every district. States and counties are those that counted the votes; markets follow
-- from counties. For the other kinds a precinct's own code decides where it names the district, else the shares
-- of its outline. Votes of precincts without an outline stay under a null id, so that no total loses a vote.
WITH outlines AS (
  SELECT DISTINCT district_id FROM boundaries WHERE kind = 'precinct'
),
placed AS (
  SELECT r.*, 'state' AS kind, r.state AS id, 1.0 AS share FROM results r
  UNION ALL
  SELECT r.*, 'county', r.county_fips, 1.0 FROM results r
  UNION ALL
  SELECT r.*, 'media_market', m.market_id, 1.0 FROM results r
  LEFT JOIN media_markets m ON m.county_fips = r.county_fips
  UNION ALL
  SELECT r.*, 'precinct', o.district_id, 1.0 FROM results r
  LEFT JOIN outlines o ON o.district_id = r.precinct_id
  UNION ALL
  SELECT r.*, 'congressional', coalesce(r.congressional_named, s.district_id),
    CASE WHEN r.congressional_named IS NOT NULL THEN 1.0 ELSE coalesce(s.share, 1.0) END
  FROM results r
  LEFT JOIN precinct_districts s
    ON s.kind = 'congressional' AND s.precinct_id = r.precinct_id AND r.congressional_named IS NULL
  UNION ALL
  SELECT r.*, 'state_senate', coalesce(r.state_senate_named, s.district_id),
    CASE WHEN r.state_senate_named IS NOT NULL THEN 1.0 ELSE coalesce(s.share, 1.0) END
  FROM results r
  LEFT JOIN precinct_districts s
    ON s.kind = 'state_senate' AND s.precinct_id = r.precinct_id AND r.state_senate_named IS NULL
  UNION ALL
  SELECT r.*, 'state_house', coalesce(r.state_house_named, s.district_id),
    CASE WHEN r.state_house_named IS NOT NULL THEN 1.0 ELSE coalesce(s.share, 1.0) END
  FROM results r
  LEFT JOIN precinct_districts s
    ON s.kind = 'state_house' AND s.precinct_id = r.precinct_id AND r.state_house_named IS NULL
)
SELECT
  source, state, kind, id, election, contest, candidate, party, party_raw, mode,
  sum(votes * share) AS votes,
  CASE WHEN min(share) = 1.0 THEN 'counted' ELSE 'area' END AS method,
  sum(CASE WHEN share = 1.0 THEN votes ELSE 0.0 END) AS low,
  sum(votes) AS high
FROM placed
GROUP BY source, state, kind, id, election, contest, candidate, party, party_raw, mode
ORDER BY kind, election, contest, id, candidate
