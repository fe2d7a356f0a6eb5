-- Contacts of one live table with voters of a state. An id without a state that several states know is nobody's; what is no
-- answer from 1 to 5 is none.
INSERT INTO told_contacts
SELECT coalesce(upper(NULLIF(e.state, '')), o.state), e.voter_id, CAST(e.occurred_at AS DATE), e.result,
  CASE WHEN {support} BETWEEN 1 AND 5 THEN {support} END
FROM {table} e
LEFT JOIN (SELECT voter_id, min(state) AS state FROM members GROUP BY voter_id HAVING count(*) = 1) o
  ON NULLIF(e.state, '') IS NULL AND o.voter_id = e.voter_id
WHERE e.result IS NOT NULL AND coalesce(upper(NULLIF(e.state, '')), o.state) = {state}
