SELECT m.rowid AS row, h.election
FROM voter_history h
JOIN members m ON m.state = h.state AND m.voter_id = h.voter_id
WHERE h.voted
