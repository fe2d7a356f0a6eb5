-- Results with what names an entry on the ballot folded into one number: the sums that follow then group by
-- numbers instead of eight texts.
CREATE OR REPLACE TABLE vote_entries AS
SELECT
  row_number() OVER (ORDER BY source, state, election, contest, candidate, party, party_raw, mode) AS entry,
  source, state, election, contest, candidate, party, party_raw, mode
FROM (
  SELECT DISTINCT source, state, election, contest, candidate, party, party_raw, mode FROM results
);

CREATE OR REPLACE TABLE votes_cast AS
SELECT
  e.entry, r.state, r.county_fips, r.precinct_id,
  r.congressional_named, r.state_senate_named, r.state_house_named, r.votes
FROM results r
JOIN vote_entries e
  ON e.source = r.source AND e.state = r.state AND e.election = r.election AND e.contest = r.contest
  AND e.candidate IS NOT DISTINCT FROM r.candidate AND e.party IS NOT DISTINCT FROM r.party
  AND e.party_raw IS NOT DISTINCT FROM r.party_raw AND e.mode = r.mode;
