-- Districts by coordinate where the address was matched; a precinct's middle is no voter's home, so there the file's
-- own word on a district comes first. Where both are known and differ, the kind is listed.
WITH known AS (
  SELECT district_id FROM boundaries WHERE kind = 'precinct'
),
joined AS (
  SELECT
    v.state, v.voter_id, g.quality,
    l.precinct AS p, l.county AS c, l.congressional AS cd, l.state_senate AS sd, l.state_house AS hd,
    k.district_id AS named_p, v.county_fips AS named_c, v.congressional_named AS named_cd,
    v.state_senate_named AS named_sd, v.state_house_named AS named_hd
  FROM voters v
  JOIN geocodes g ON g.state = v.state AND g.voter_id = v.voter_id
  LEFT JOIN places s ON s.longitude = g.longitude AND s.latitude = g.latitude
  LEFT JOIN located l ON l.place = s.place
  LEFT JOIN (SELECT DISTINCT district_id FROM known) k ON k.district_id = v.precinct_id
)
SELECT
  j.state,
  j.voter_id,
  coalesce(j.p, j.named_p) AS precinct,
  coalesce(j.c, j.named_c) AS county,
  CASE WHEN j.quality = 'address' THEN coalesce(j.cd, j.named_cd) ELSE coalesce(j.named_cd, j.cd) END AS congressional,
  CASE WHEN j.quality = 'address' THEN coalesce(j.sd, j.named_sd) ELSE coalesce(j.named_sd, j.sd) END AS state_senate,
  CASE WHEN j.quality = 'address' THEN coalesce(j.hd, j.named_hd) ELSE coalesce(j.named_hd, j.hd) END AS state_house,
  m.market_id AS media_market,
  nullif(concat_ws(',',
    CASE WHEN j.p <> j.named_p THEN 'precinct' END,
    CASE WHEN j.c <> j.named_c THEN 'county' END,
    CASE WHEN j.cd <> j.named_cd THEN 'congressional' END,
    CASE WHEN j.sd <> j.named_sd THEN 'state_senate' END,
    CASE WHEN j.hd <> j.named_hd THEN 'state_house' END
  ), '') AS disagrees
FROM joined j
LEFT JOIN media_markets m ON m.county_fips = coalesce(j.c, j.named_c)
