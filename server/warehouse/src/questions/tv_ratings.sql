-- Ratings of programmes by group, in percent.
SELECT market_id, station, programme, coalesce(gender, '') AS gender, age_from, age_to, rating
FROM tv_ratings
ORDER BY market_id, station, programme, gender, age_from, age_to
