-- Contacts that were delivered, by the rows of the voters: their results and days. An id without a state that several
-- states know is nobody's.
SELECT m.rowid AS row, e.result, CAST(e.occurred_at AS DATE) AS day
FROM {table} e
JOIN members m ON m.voter_id = e.voter_id AND (NULLIF(e.state, '') IS NULL OR m.state = upper(e.state))
WHERE e.result IS NOT NULL
    AND (NULLIF(e.state, '') IS NOT NULL
        OR e.voter_id NOT IN (SELECT voter_id FROM members GROUP BY voter_id HAVING count(*) > 1))
