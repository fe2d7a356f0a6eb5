SELECT
  rowid AS row, voter_id, state, county, congressional, state_senate, state_house, precinct, media_market,
  party, gender, race, ethnicity, status, quality AS located, zip, city,
  age, birth_year, registered_on, party_since,
  match_key AS door, concat_ws(' ', unit_type, unit_number) AS unit, phone, longitude, latitude
FROM members
