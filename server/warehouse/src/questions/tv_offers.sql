-- The spots of an inventory ($1). Weeks are days since 1970-01-01.
SELECT market_id, station, coalesce(zone, '') AS zone, programme, daypart, coalesce(days, '') AS days, starts, ends,
  week - DATE '1970-01-01' AS week, seconds, price, units
FROM tv_inventory
WHERE inventory = $1
ORDER BY market_id, station, zone, programme, daypart, week, price, units, days, starts, ends, seconds
