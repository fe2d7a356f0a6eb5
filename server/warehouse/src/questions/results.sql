-- Sums of fractional votes are rounded to millionths, which hides the noise of adding and no vote.
-- Where several data sets hold one contest and none is asked for, VTD files (VEST) come before precinct
-- returns, which are joined to outlines by precinct code.
WITH chosen AS (
  SELECT state, election, contest, coalesce(max(CASE WHEN source LIKE 'vest%' THEN source END), max(source)) AS source
  FROM contests
  GROUP BY state, election, contest
),
rows AS (
  SELECT
    r.kind, r.id AS district, r.election, r.contest, r.candidate, r.party, r.party_raw,
    CASE WHEN $7::BOOLEAN THEN r.mode ELSE 'total' END AS mode,
    r.votes, r.method, r.low, r.high, r.source
  FROM district_results r
  JOIN chosen c ON c.state = r.state AND c.election = r.election AND c.contest = r.contest
  WHERE ($1::VARCHAR IS NULL OR r.kind = $1::VARCHAR)
    AND ($2::VARCHAR IS NULL OR r.id = $2::VARCHAR)
    AND ($3::VARCHAR IS NULL OR r.state = $3::VARCHAR)
    AND ($4::VARCHAR IS NULL OR r.election = $4::VARCHAR)
    AND ($5::VARCHAR IS NULL OR r.contest = $5::VARCHAR)
    AND r.source = coalesce($6::VARCHAR, c.source)
)
SELECT
  kind, district, election, contest, candidate, party, party_raw,
  round(sum(votes), 6) AS votes, mode,
  CASE
    WHEN bool_or(method = 'area') THEN 'area'
    WHEN bool_or(method = 'population') THEN 'population'
    WHEN bool_or(method = 'voters') THEN 'voters'
    ELSE 'counted'
  END AS method,
  round(sum(low), 6) AS low, round(sum(high), 6) AS high, source
FROM rows
GROUP BY kind, district, election, contest, candidate, party, party_raw, mode, source
ORDER BY kind, election DESC, contest, district, votes DESC, candidate, party_raw, mode
LIMIT $8 OFFSET $9
