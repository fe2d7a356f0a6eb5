-- The people of the viewing panel.
SELECT person_id, household_id, market_id, weight, age, gender, coalesce(party, '') AS party, coalesce(state, '') AS state,
  coalesce(voter_id, '') AS voter_id, coalesce(zones, '') AS zones
FROM tv_panel
ORDER BY person_id
