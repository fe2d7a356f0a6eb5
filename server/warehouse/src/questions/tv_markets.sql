-- Television markets with their homes.
SELECT market_id, max(market) AS market, sum(tv_households) AS tv_households, count(*) AS counties
FROM media_markets
GROUP BY market_id
ORDER BY market_id
