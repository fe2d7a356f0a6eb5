-- What posts from a day ($1) on and before another ($2) are about, by topic: of all days, of each day, and of the days before
-- and from the middle on (half 0 and 1). Expected posts and authors, their mean tone and of how many authors it is. The
-- empty topic stands for all posts. Posts that name no author are counted as posts alone.
WITH {posts}
touched AS (
    SELECT '' AS topic, person, day, half, tone, authored, weight
    FROM posts
    UNION ALL
    SELECT unnest(from_json(topics, '["VARCHAR"]')) AS topic, person, day, half, tone, authored, weight
    FROM posts
    WHERE topics IS NOT NULL
),
by_author AS (
    SELECT topic, day, half, person, sum(weight) AS posts,
        max(CASE WHEN authored THEN weight ELSE 0 END) AS author,
        max(CASE WHEN authored AND tone IS NOT NULL THEN weight ELSE 0 END) AS tone_author,
        sum(tone * weight) AS tone,
        sum(CASE WHEN tone IS NULL THEN 0 ELSE weight END) AS toned
    FROM touched
    GROUP BY GROUPING SETS ((topic, day, person), (topic, half, person), (topic, person))
)
SELECT topic, CAST(day AS VARCHAR) AS day, half, CAST(sum(posts) AS DOUBLE) AS posts,
    CAST(sum(author) AS DOUBLE) AS authors, CAST(sum(tone_author) AS DOUBLE) AS tone_authors,
    sum(tone) / NULLIF(sum(toned), 0) AS tone
FROM by_author
GROUP BY topic, day, half
ORDER BY topic, day, half
