-- Contacts that were delivered, by the rows of the voters: their results and days.
SELECT m.rowid AS row, e.result, CAST(e.occurred_at AS DATE) AS day
FROM {table} e
JOIN members m ON m.voter_id = e.voter_id AND (e.state IS NULL OR m.state = upper(e.state))
WHERE e.result IS NOT NULL
