SELECT population, longitude, latitude
FROM population_centres
ORDER BY area_id
