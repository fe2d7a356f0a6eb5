-- The spots of an inventory ($1) in the weeks from one day ($2) to another ($3), and of one length ($4), where these are given.
SELECT market_id, station, coalesce(zone, '') AS zone, programme, daypart, days, starts, ends, CAST(week AS VARCHAR) AS week,
  seconds, price, units
FROM tv_inventory
WHERE inventory = $1
  AND ($2::VARCHAR IS NULL OR week >= CAST($2::VARCHAR AS DATE) - 6)
  AND ($3::VARCHAR IS NULL OR week <= CAST($3::VARCHAR AS DATE))
  AND ($4::INTEGER IS NULL OR seconds IS NULL OR seconds = $4)
ORDER BY market_id, station, zone, programme, daypart, week, price, units
