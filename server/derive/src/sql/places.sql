-- Distinct coordinates of the geocodes, numbered from 0, and the table that takes their districts.
CREATE OR REPLACE TABLE places AS
SELECT row_number() OVER (ORDER BY longitude, latitude) - 1 AS place, longitude, latitude
FROM (SELECT DISTINCT longitude, latitude FROM geocodes WHERE longitude IS NOT NULL);

CREATE OR REPLACE TABLE located (
  place BIGINT, precinct VARCHAR, county VARCHAR,
  congressional VARCHAR, state_senate VARCHAR, state_house VARCHAR
);
