-- What posts from a day ($1) on and before another ($2) are about, by topic and by topic and day: expected posts and authors,
-- and their mean tone. The empty topic stands for all posts, a null day for all days.
WITH {posts}
touched AS (
    SELECT '' AS topic, person, day, tone, weight
    FROM posts
    UNION ALL
    SELECT unnest(from_json(topics, '["VARCHAR"]')) AS topic, person, day, tone, weight
    FROM posts
    WHERE topics IS NOT NULL
),
by_author AS (
    SELECT topic, day, person, sum(weight) AS posts, max(weight) AS author, sum(tone * weight) AS tone,
        sum(CASE WHEN tone IS NULL THEN 0 ELSE weight END) AS toned
    FROM touched
    GROUP BY GROUPING SETS ((topic, day, person), (topic, person))
)
SELECT topic, CAST(day AS VARCHAR) AS day, sum(posts) AS posts, sum(author) AS authors,
    sum(tone) / NULLIF(sum(toned), 0) AS tone
FROM by_author
GROUP BY topic, day
ORDER BY topic, day
