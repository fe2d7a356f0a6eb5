-- Ballots that came back, by the rows of the voters, with what became of them, when, in microseconds since 1970,
-- and when that was told, in milliseconds. An id without a state that several states know is nobody's.
SELECT m.rowid AS row, e.election, e.status, epoch_us(e.occurred_at) AS at,
    epoch_ms(e.received_at) AS told
FROM event_ballot_returned e
JOIN members m ON m.voter_id = e.voter_id AND (NULLIF(e.state, '') IS NULL OR m.state = upper(e.state))
WHERE NULLIF(e.state, '') IS NOT NULL
    OR e.voter_id NOT IN (SELECT voter_id FROM members GROUP BY voter_id HAVING count(*) > 1)
