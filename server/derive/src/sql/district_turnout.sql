-- Participation of the voters now registered, counted by their whole set of districts and then rolled up.
WITH counted AS (
  SELECT
    d.state, d.county, d.precinct, d.congressional, d.state_senate, d.state_house, d.media_market,
    h.election, coalesce(h.method, 'unknown') AS method, count(*) AS voters
  FROM (
    -- Two rows of one voter and election (two ballots of one day and type) are one voter who took part.
    SELECT state, voter_id, election, min(method) AS method
    FROM voter_history
    WHERE voted
    GROUP BY state, voter_id, election
  ) h
  JOIN voter_districts d ON d.state = h.state AND d.voter_id = h.voter_id
  GROUP BY ALL
)
SELECT kind, id, election, method, sum(voters)::BIGINT AS voters
FROM (
  SELECT 'state' AS kind, state AS id, election, method, voters FROM counted
  UNION ALL SELECT 'county', county, election, method, voters FROM counted
  UNION ALL SELECT 'precinct', precinct, election, method, voters FROM counted
  UNION ALL SELECT 'congressional', congressional, election, method, voters FROM counted
  UNION ALL SELECT 'state_senate', state_senate, election, method, voters FROM counted
  UNION ALL SELECT 'state_house', state_house, election, method, voters FROM counted
  UNION ALL SELECT 'media_market', media_market, election, method, voters FROM counted
)
WHERE id IS NOT NULL
GROUP BY kind, id, election, method
ORDER BY kind, id, election, method
