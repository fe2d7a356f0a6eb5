-- Programmes on offer in cable zones.
SELECT DISTINCT market_id, station, zone, programme
FROM tv_inventory
WHERE zone <> ''
ORDER BY market_id, station, zone, programme
