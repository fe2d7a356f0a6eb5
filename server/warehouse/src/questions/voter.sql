SELECT rowid AS row, *
FROM members
WHERE voter_id = $1 AND ($2::VARCHAR IS NULL OR state = $2::VARCHAR)
ORDER BY state
