-- Who wants to be left alone, by the rows of the voters, and when that was said. An id without a state that several states
-- know is nobody's.
SELECT m.rowid AS row, e.contact, epoch_us(e.occurred_at) AS at
FROM event_voter_preference e
JOIN members m ON m.voter_id = e.voter_id AND (NULLIF(e.state, '') IS NULL OR m.state = upper(e.state))
WHERE e.contact IS NOT NULL
    AND (NULLIF(e.state, '') IS NOT NULL
        OR e.voter_id NOT IN (SELECT voter_id FROM members GROUP BY voter_id HAVING count(*) > 1))
