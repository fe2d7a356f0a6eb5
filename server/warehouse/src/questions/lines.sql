SELECT DISTINCT kind, id, vintage
FROM (
  SELECT kind, district_id AS id, vintage FROM boundaries
  UNION ALL
  SELECT kind, id, vintage FROM districts
)
ORDER BY kind, id, vintage DESC
