SELECT county_fips, market_id, market
FROM media_markets
ORDER BY county_fips
