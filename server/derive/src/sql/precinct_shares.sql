CREATE OR REPLACE TABLE precinct_shares (
  state VARCHAR, precinct_id VARCHAR, precinct_vintage INTEGER, kind VARCHAR,
  district_id VARCHAR, vintage INTEGER, share DOUBLE, method VARCHAR
)
