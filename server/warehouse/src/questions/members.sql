-- Voters in the order of their districts, and within these of their doors and households. A door that would stand in
-- two places, because its voters are located differently, stands in the first of them whole.
-- The age is taken on the day of the last registration in the state's file, so that a release always answers alike.
CREATE TABLE members AS
WITH dated AS (
  SELECT state, year(max(registered_on)) AS year FROM {voters} GROUP BY state
),
joined AS (
  SELECT
    {columns},
    d.precinct, d.county, d.congressional, d.state_senate, d.state_house, d.media_market, d.disagrees,
    g.longitude, g.latitude, g.quality,
    d.voter_id IS NOT NULL AS placed,
    CASE WHEN t.year - v.birth_year BETWEEN 0 AND 120 THEN t.year - v.birth_year END AS age,
    concat_ws('|', coalesce(d.congressional, ''), coalesce(d.county, ''), coalesce(d.state_senate, ''),
      coalesce(d.state_house, ''), coalesce(d.precinct, '')) AS place
  FROM {voters} v
  LEFT JOIN {voter_districts} d ON d.state = v.state AND d.voter_id = v.voter_id
  LEFT JOIN {geocodes} g ON g.state = v.state AND g.voter_id = v.voter_id
  LEFT JOIN dated t ON t.state = v.state
),
doors AS (
  SELECT state AS door_state, match_key AS door, min(place) AS first_place
  FROM joined
  WHERE match_key IS NOT NULL
  GROUP BY state, match_key
)
SELECT {members}
FROM joined
LEFT JOIN doors ON door_state = state AND door = match_key
ORDER BY state, coalesce(first_place, place), match_key, unit_type, unit_number, voter_id;
