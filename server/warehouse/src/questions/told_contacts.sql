-- Contacts of one live table, by state and voter. An id without a state that several states know is nobody's.
INSERT INTO told_contacts
SELECT coalesce(upper(NULLIF(e.state, '')), o.state), e.voter_id, CAST(e.occurred_at AS DATE), e.result, {support}
FROM {table} e
LEFT JOIN (SELECT voter_id, min(state) AS state FROM members GROUP BY voter_id HAVING count(*) = 1) o
  ON NULLIF(e.state, '') IS NULL AND o.voter_id = e.voter_id
WHERE e.result IS NOT NULL AND coalesce(NULLIF(e.state, ''), o.state) IS NOT NULL
