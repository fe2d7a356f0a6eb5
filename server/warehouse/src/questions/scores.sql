SELECT m.rowid AS row, s.model, CAST(s.score AS DOUBLE) AS score
FROM scores s
JOIN members m ON m.state = s.state AND m.voter_id = s.voter_id
