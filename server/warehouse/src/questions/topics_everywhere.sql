-- All posts, wherever they are from.
posts AS (
    SELECT e.person, CAST(e.occurred_at AS DATE) AS day, e.topics, e.tone, e.authored,
        CASE WHEN e.occurred_at < CAST($3 AS DATE) THEN 0 ELSE 1 END AS half, CAST(1.0 AS DOUBLE) AS weight
    FROM event_social_post e
    WHERE (e.operation IS NULL OR e.operation = 'create')
        AND e.occurred_at >= CAST($1 AS DATE) AND e.occurred_at < CAST($2 AS DATE)
),
