-- Ballots that came back, by the rows of the voters, with what became of them and when, in microseconds since 1970.
SELECT m.rowid AS row, e.election, e.status, epoch_us(e.occurred_at) AS at
FROM event_ballot_returned e
JOIN members m ON m.voter_id = e.voter_id AND (e.state IS NULL OR m.state = upper(e.state))
