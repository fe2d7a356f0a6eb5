-- Posts of a district ($3), each with the chance that its author lives there: how sure the place is, times the share of
-- the place's voters who live in the district.
places AS (
    SELECT regexp_replace(trim(upper(city)), '\s+', ' ', 'g') || ', ' || state AS name, avg(CASE WHEN {kind} = $3 THEN 1.0 ELSE 0.0 END) AS share
    FROM members
    WHERE city IS NOT NULL
    GROUP BY regexp_replace(trim(upper(city)), '\s+', ' ', 'g'), state
    UNION ALL
    SELECT upper(replace(d.name, ' County', '')) || ' COUNTY, ' || d.state AS name,
        avg(CASE WHEN m.{kind} = $3 THEN 1.0 ELSE 0.0 END) AS share
    FROM members m
    JOIN districts d ON d.kind = 'county' AND d.id = m.county
    GROUP BY upper(replace(d.name, ' County', '')), d.state
    UNION ALL
    SELECT state AS name, avg(CASE WHEN {kind} = $3 THEN 1.0 ELSE 0.0 END) AS share
    FROM members
    GROUP BY state
),
posts AS (
    SELECT e.person, CAST(e.occurred_at AS DATE) AS day, e.topics, e.tone, e.authored,
        CASE WHEN e.occurred_at < CAST($4 AS DATE) THEN 0 ELSE 1 END AS half, e.place_confidence * p.share AS weight
    FROM event_social_post e
    JOIN places p ON p.name = upper(e.place)
    WHERE p.share > 0 AND (e.operation IS NULL OR e.operation = 'create')
        AND e.occurred_at >= CAST($1 AS DATE) AND e.occurred_at < CAST($2 AS DATE)
),
