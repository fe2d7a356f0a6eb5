CREATE OR REPLACE TABLE people_of_parts (
  precinct_id VARCHAR, kind VARCHAR, district_id VARCHAR, population DOUBLE, points DOUBLE
)
