-- What is known of every voter of a state ($1) who was registered before a day ($2), from before that day only: the
-- columns of schema/features.toml in their order, after who it is. With an election ($3) the label says whether the
-- voter took part in it.
WITH asked AS (
  SELECT $1::VARCHAR AS state, CAST($2::VARCHAR AS DATE) AS day, $3::VARCHAR AS election
),
people AS (
  SELECT
    m.voter_id, m.precinct, m.county, m.congressional, m.state_house, m.race, m.longitude, m.latitude,
    m.match_key, concat_ws(' ', m.unit_type, m.unit_number) AS unit, m.gender, m.ethnicity, m.registered_on,
    CASE WHEN m.party_since IS NULL OR m.party_since < a.day THEN m.party END AS party,
    CASE WHEN year(a.day) - m.birth_year BETWEEN 17 AND 120 THEN year(a.day) - m.birth_year END AS age
  FROM members m
  JOIN asked a ON a.state = m.state
  WHERE m.registered_on IS NULL OR m.registered_on < a.day
),
happened AS (
  SELECT DISTINCT h.election, h.election_date, CASE WHEN h.election_type = 'general' THEN 1 ELSE 0 END AS general
  FROM voter_history h
  JOIN asked a ON a.state = h.state
  WHERE h.election_date < a.day AND h.election_type IN ('general', 'primary', 'presidential_primary')
),
recent AS (
  SELECT election, election_date, general,
    row_number() OVER (PARTITION BY general ORDER BY election_date DESC, election) AS back
  FROM happened
),
past AS (
  SELECT
    h.voter_id,
    max(CASE WHEN r.general = 1 AND r.back = 1 THEN 1 ELSE 0 END) AS general_1,
    max(CASE WHEN r.general = 1 AND r.back = 2 THEN 1 ELSE 0 END) AS general_2,
    max(CASE WHEN r.general = 1 AND r.back = 3 THEN 1 ELSE 0 END) AS general_3,
    max(CASE WHEN r.general = 1 AND r.back = 4 THEN 1 ELSE 0 END) AS general_4,
    max(CASE WHEN r.general = 0 AND r.back = 1 THEN 1 ELSE 0 END) AS primary_1,
    max(CASE WHEN r.general = 0 AND r.back = 2 THEN 1 ELSE 0 END) AS primary_2,
    max(CASE WHEN r.general = 0 AND r.back = 3 THEN 1 ELSE 0 END) AS primary_3,
    count(*) AS elections_voted,
    max(h.election_date) AS last_voted
  FROM voter_history h
  JOIN asked a ON a.state = h.state
  JOIN recent r ON r.election = h.election
  WHERE h.voted AND h.election_date < a.day
  GROUP BY h.voter_id
),
dates AS (
  SELECT
    max(CASE WHEN general = 1 AND back = 1 THEN election_date END) AS general_1,
    max(CASE WHEN general = 1 AND back = 2 THEN election_date END) AS general_2,
    max(CASE WHEN general = 1 AND back = 3 THEN election_date END) AS general_3,
    max(CASE WHEN general = 1 AND back = 4 THEN election_date END) AS general_4,
    max(CASE WHEN general = 0 AND back = 1 THEN election_date END) AS primary_1,
    max(CASE WHEN general = 0 AND back = 2 THEN election_date END) AS primary_2,
    max(CASE WHEN general = 0 AND back = 3 THEN election_date END) AS primary_3
  FROM recent
),
-- Whether a voter took part in an election that they were registered for; null where they were not.
took_part AS (
  SELECT
    p.voter_id, p.precinct, p.match_key, p.unit, p.age, p.party, p.longitude, p.latitude,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.general_1 THEN coalesce(t.general_1, 0) END AS general_1,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.general_2 THEN coalesce(t.general_2, 0) END AS general_2,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.general_3 THEN coalesce(t.general_3, 0) END AS general_3,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.general_4 THEN coalesce(t.general_4, 0) END AS general_4,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.primary_1 THEN coalesce(t.primary_1, 0) END AS primary_1,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.primary_2 THEN coalesce(t.primary_2, 0) END AS primary_2,
    CASE WHEN coalesce(p.registered_on, DATE '1900-01-01') <= d.primary_3 THEN coalesce(t.primary_3, 0) END AS primary_3,
    coalesce(t.elections_voted, 0) AS elections_voted,
    t.last_voted
  FROM people p
  CROSS JOIN dates d
  LEFT JOIN past t ON t.voter_id = p.voter_id
),
households AS (
  SELECT match_key, unit, count(*) AS people, avg(age) AS age,
    avg(CASE WHEN party = 'DEM' THEN 1e0 ELSE 0e0 END) AS democrats,
    avg(CASE WHEN party = 'REP' THEN 1e0 ELSE 0e0 END) AS republicans,
    sum(general_1) AS voted, count(general_1) AS could
  FROM took_part
  WHERE match_key IS NOT NULL
  GROUP BY match_key, unit
),
-- Elections held after each one, and since each day of registration.
missed AS (
  SELECT o.election_date AS last_voted, count(l.election) AS elections
  FROM (SELECT DISTINCT election_date FROM recent) o
  LEFT JOIN recent l ON l.election_date > o.election_date
  GROUP BY o.election_date
),
possible AS (
  SELECT o.registered_on, count(l.election) AS elections
  FROM (SELECT DISTINCT registered_on FROM people WHERE registered_on IS NOT NULL) o
  LEFT JOIN recent l ON l.election_date >= o.registered_on
  GROUP BY o.registered_on
),
whole AS (
  SELECT avg(general_1) AS turnout FROM took_part
),
precincts AS (
  SELECT precinct, avg(general_1) AS turnout,
    avg(CASE WHEN party = 'DEM' THEN 1e0 ELSE 0e0 END) AS democrats,
    avg(CASE WHEN party = 'REP' THEN 1e0 ELSE 0e0 END) AS republicans
  FROM took_part
  WHERE precinct IS NOT NULL
  GROUP BY precinct
),
-- People within some two kilometres, by squares of a fiftieth of a degree.
squares AS (
  SELECT floor(longitude * 50) AS x, floor(latitude * 50) AS y, count(*) AS people
  FROM people
  WHERE longitude IS NOT NULL
  GROUP BY floor(longitude * 50), floor(latitude * 50)
),
votes AS (
  SELECT r.precinct_id, r.county_fips, r.election, r.party, r.votes
  FROM results r
  JOIN asked a ON a.state = r.state
  WHERE r.contest IN ('president', 'governor', 'us_senate') AND r.party IN ('DEM', 'REP')
    AND CAST(split_part(r.election, '/', 1) AS DATE) < a.day
),
last_votes AS (
  SELECT precinct_id, county_fips, party, votes FROM votes WHERE election = (SELECT max(election) FROM votes)
),
precinct_results AS (
  SELECT precinct_id, sum(CASE WHEN party = 'DEM' THEN votes ELSE 0 END) / nullif(sum(votes), 0) AS share
  FROM last_votes
  GROUP BY precinct_id
),
county_results AS (
  SELECT county_fips, sum(CASE WHEN party = 'DEM' THEN votes ELSE 0 END) / nullif(sum(votes), 0) AS share
  FROM last_votes
  GROUP BY county_fips
),
reached AS (
  SELECT c.voter_id, count(*) AS times,
    sum(CASE WHEN c.result = 'canvassed' THEN 1 ELSE 0 END) AS talks,
    sum(CASE WHEN c.result = 'refused' THEN 1 ELSE 0 END) AS refusals,
    max(c.contacted_on) AS last_contact
  FROM (
    SELECT state, voter_id, contacted_on, result FROM contacts
    UNION ALL SELECT state, voter_id, contacted_on, result FROM told_contacts
  ) c
  JOIN asked a ON a.state = c.state
  WHERE c.contacted_on < a.day
  GROUP BY c.voter_id
),
labelled AS (
  SELECT DISTINCT h.voter_id
  FROM voter_history h
  JOIN asked a ON a.state = h.state AND a.election = h.election
  WHERE h.voted
)
SELECT
  p.voter_id,
  CAST(hash(coalesce(p.match_key, p.voter_id), p.unit) % 9000000000000000000 AS BIGINT) AS household,
  CASE
    WHEN p.age IS NULL THEN 'unknown' WHEN p.age < 25 THEN '17-24' WHEN p.age < 35 THEN '25-34'
    WHEN p.age < 50 THEN '35-49' WHEN p.age < 65 THEN '50-64' ELSE '65+'
  END AS age_band,
  coalesce(p.gender, 'U') AS gender, coalesce(p.race, 'unknown') AS race,
  coalesce(p.congressional, 'unknown') AS congressional,
  CASE WHEN l.voter_id IS NULL THEN 0e0 ELSE 1e0 END AS label,
  CAST(p.age AS DOUBLE) AS age,
  CAST(date_diff('day', p.registered_on, a.day) / 365.25 AS DOUBLE) AS years_registered,
  CASE WHEN p.party IS NOT NULL THEN CASE WHEN p.party = 'DEM' THEN 1e0 ELSE 0e0 END END AS democrat,
  CASE WHEN p.party IS NOT NULL THEN CASE WHEN p.party = 'REP' THEN 1e0 ELSE 0e0 END END AS republican,
  CASE WHEN p.party IS NOT NULL THEN CASE WHEN p.party = 'UNA' THEN 1e0 ELSE 0e0 END END AS no_party,
  CASE p.gender WHEN 'F' THEN 1e0 WHEN 'M' THEN 0e0 END AS female,
  CASE WHEN p.race <> 'unknown' THEN CASE WHEN p.race = 'white' THEN 1e0 ELSE 0e0 END END AS white,
  CASE WHEN p.race <> 'unknown' THEN CASE WHEN p.race = 'black' THEN 1e0 ELSE 0e0 END END AS black,
  CASE
    WHEN p.race = 'hispanic' OR p.ethnicity = 'hispanic' THEN 1e0
    WHEN p.race <> 'unknown' OR p.ethnicity = 'not_hispanic' THEN 0e0
  END AS hispanic,
  CASE WHEN p.race <> 'unknown' THEN CASE WHEN p.race = 'asian' THEN 1e0 ELSE 0e0 END END AS asian,
  CAST(t.general_1 AS DOUBLE) AS voted_general_1, CAST(t.general_2 AS DOUBLE) AS voted_general_2,
  CAST(t.general_3 AS DOUBLE) AS voted_general_3, CAST(t.general_4 AS DOUBLE) AS voted_general_4,
  CAST(t.primary_1 AS DOUBLE) AS voted_primary_1, CAST(t.primary_2 AS DOUBLE) AS voted_primary_2,
  CAST(t.primary_3 AS DOUBLE) AS voted_primary_3,
  CAST(t.elections_voted / nullif(e.elections, 0) AS DOUBLE) AS share_voted,
  CAST(m.elections AS DOUBLE) AS elections_since_vote,
  CAST(h.people AS DOUBLE) AS household_size,
  CAST(h.age AS DOUBLE) AS household_age,
  h.democrats AS household_democrats, h.republicans AS household_republicans,
  CAST((h.voted - coalesce(t.general_1, 0)) / nullif(h.could - (CASE WHEN t.general_1 IS NULL THEN 0 ELSE 1 END), 0) AS DOUBLE)
    AS household_voted,
  c.democrats AS precinct_democrats, c.republicans AS precinct_republicans, CAST(c.turnout - o.turnout AS DOUBLE) AS precinct_turnout,
  CAST(v.share AS DOUBLE) AS precinct_result, CAST(w.share AS DOUBLE) AS county_result,
  CAST(ln(s.people) AS DOUBLE) AS density,
  CAST(coalesce(k.times, 0) AS DOUBLE) AS contacts, CAST(coalesce(k.talks, 0) AS DOUBLE) AS talks,
  CAST(coalesce(k.refusals, 0) AS DOUBLE) AS refusals,
  CAST(date_diff('day', k.last_contact, a.day) AS DOUBLE) AS days_since_contact
FROM people p
CROSS JOIN asked a
CROSS JOIN whole o
JOIN took_part t ON t.voter_id = p.voter_id
LEFT JOIN missed m ON m.last_voted = t.last_voted
LEFT JOIN possible e ON e.registered_on = p.registered_on
LEFT JOIN households h ON h.match_key = p.match_key AND h.unit = p.unit
LEFT JOIN precincts c ON c.precinct = p.precinct
LEFT JOIN precinct_results v ON v.precinct_id = p.precinct
LEFT JOIN county_results w ON w.county_fips = p.county
LEFT JOIN squares s ON s.x = floor(p.longitude * 50) AND s.y = floor(p.latitude * 50)
LEFT JOIN reached k ON k.voter_id = p.voter_id
LEFT JOIN labelled l ON l.voter_id = p.voter_id
