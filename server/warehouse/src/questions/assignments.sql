SELECT m.rowid AS row, a.experiment, a.arm
FROM assignments a
JOIN members m ON m.state = a.state AND m.voter_id = a.voter_id
ORDER BY a.experiment, row
