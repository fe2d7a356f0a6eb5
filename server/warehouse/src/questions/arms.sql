-- The arms of an experiment ($1) side by side: what was known of them when they were drawn should be alike.
SELECT
  a.arm, count(*) AS people, count(DISTINCT a.cluster) AS clusters,
  avg(m.age) AS mean_age,
  avg(CASE WHEN m.gender = 'F' THEN 1e0 WHEN m.gender = 'M' THEN 0e0 END) AS share_female,
  avg(CASE WHEN m.party = 'DEM' THEN 1e0 ELSE 0e0 END) AS share_democrats,
  avg(CASE WHEN m.party = 'REP' THEN 1e0 ELSE 0e0 END) AS share_republicans,
  count(*) - count(m.voter_id) AS no_longer_registered
FROM assignments a
LEFT JOIN members m ON m.state = a.state AND m.voter_id = a.voter_id
WHERE a.experiment = $1::VARCHAR
GROUP BY a.arm
ORDER BY a.arm
