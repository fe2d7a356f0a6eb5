-- Every voter's coordinate: the address point of the same normalised address, else the middle of the precinct
-- that the file names. Several points of one address (units) count as one, the westernmost.
WITH points AS (
  SELECT state, match_key, min(longitude) AS longitude, arg_min(latitude, longitude) AS latitude
  FROM addresses
  WHERE match_key IS NOT NULL
  GROUP BY state, match_key
)
SELECT
  v.state,
  v.voter_id,
  coalesce(p.longitude, m.longitude) AS longitude,
  CASE WHEN p.longitude IS NOT NULL THEN p.latitude ELSE m.latitude END AS latitude,
  CASE
    WHEN p.longitude IS NOT NULL THEN 'address'
    WHEN m.longitude IS NOT NULL THEN 'precinct'
    ELSE 'none'
  END AS quality
FROM voters v
LEFT JOIN points p ON p.state = v.state AND p.match_key = v.match_key
LEFT JOIN middles m ON m.precinct_id = v.precinct_id
