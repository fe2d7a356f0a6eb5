-- What lists are matched with: of the match key the line without the ZIP code.
SELECT
  rowid AS row, last_name, first_name, middle_name, birth_year,
  CAST(strftime(birth_date, '%Y%m%d') AS INTEGER) AS birth_date,
  gender, split_part(match_key, '|', 1) AS address, zip, phone
FROM members
