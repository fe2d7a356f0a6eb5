-- The inventories that are loaded, with what they hold.
SELECT inventory, count(*) AS offers, count(DISTINCT market_id) AS markets, sum(units) AS units, min(week) AS first_week,
  max(week) AS last_week
FROM tv_inventory
GROUP BY inventory
ORDER BY inventory
