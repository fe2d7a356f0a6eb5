-- What became of the voters between two releases, by state and county: those who came, went, live at another
-- address or in another county, or changed party. The county is that of the later release, for those who went the
-- earlier one's.
SELECT
  coalesce(b.state, a.state) AS state,
  coalesce(b.county_fips, a.county_fips) AS county,
  sum(CASE WHEN a.voter_id IS NULL THEN 1 ELSE 0 END)::BIGINT AS new,
  sum(CASE WHEN b.voter_id IS NULL THEN 1 ELSE 0 END)::BIGINT AS removed,
  sum(CASE
    WHEN a.voter_id IS NULL OR b.voter_id IS NULL THEN 0
    WHEN a.address IS DISTINCT FROM b.address OR a.zip IS DISTINCT FROM b.zip
      OR a.county_fips IS DISTINCT FROM b.county_fips THEN 1
    ELSE 0 END)::BIGINT AS moved,
  sum(CASE
    WHEN a.voter_id IS NULL OR b.voter_id IS NULL THEN 0
    WHEN a.party IS DISTINCT FROM b.party THEN 1
    ELSE 0 END)::BIGINT AS party_switched
FROM voters_before a
FULL JOIN voters_after b ON a.state = b.state AND a.voter_id = b.voter_id
GROUP BY coalesce(b.state, a.state), coalesce(b.county_fips, a.county_fips)
ORDER BY state, county
LIMIT $1 OFFSET $2
