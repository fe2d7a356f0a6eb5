-- Cities and counties of the voters: sort, name, state, voters.
SELECT 'city' AS sort, city AS name, state, count(*) AS voters
FROM members
WHERE city IS NOT NULL
GROUP BY city, state
UNION ALL
SELECT 'county' AS sort, replace(d.name, ' County', '') AS name, d.state, d.voters
FROM districts d
WHERE d.kind = 'county' AND d.state IS NOT NULL
