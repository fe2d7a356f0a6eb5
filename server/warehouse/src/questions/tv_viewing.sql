-- What the people of the panel watched, by the places of the people in their order and of the programmes in theirs.
WITH people AS (
  SELECT person_id, market_id, row_number() OVER (ORDER BY person_id) - 1 AS person FROM tv_panel
),
seen AS (
  SELECT p.market_id, v.station, v.programme, p.person, sum(v.minutes) / NULLIF(sum(v.programme_minutes), 0) AS chance
  FROM tv_viewing v
  JOIN people p ON p.person_id = v.person_id
  GROUP BY p.market_id, v.station, v.programme, p.person
)
SELECT market_id, station, programme, person, chance
FROM seen
WHERE chance > 0
ORDER BY market_id, station, programme, person
