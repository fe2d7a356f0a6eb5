SELECT m.rowid AS row, c.result, c.contacted_on
FROM contacts c
JOIN members m ON m.state = c.state AND m.voter_id = c.voter_id
WHERE c.contacted_on IS NOT NULL
