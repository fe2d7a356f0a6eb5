-- The rows of voters of a state ($1) whose ids are joined by line ends ($2).
SELECT rowid AS row, voter_id
FROM members
WHERE state = $1 AND voter_id IN (SELECT unnest(string_split($2::VARCHAR, chr(10))))
