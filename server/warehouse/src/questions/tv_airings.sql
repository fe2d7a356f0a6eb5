-- Spots that were aired from a day ($1) to another ($2), by market, station, zone, programme and week.
SELECT market_id, station, coalesce(zone, '') AS zone, programme,
  CAST(aired_on - (isodow(aired_on) - 1)::INTEGER AS VARCHAR) AS week, count(*) AS spots, sum(price) AS billed
FROM tv_airings
WHERE aired_on >= CAST($1::VARCHAR AS DATE) AND aired_on <= CAST($2::VARCHAR AS DATE)
GROUP BY market_id, station, coalesce(zone, ''), programme, aired_on - (isodow(aired_on) - 1)::INTEGER
ORDER BY market_id, station, zone, programme, week
