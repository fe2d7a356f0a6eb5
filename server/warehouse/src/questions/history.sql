SELECT election, election_type, description, voted, method, party
FROM voter_history
WHERE voter_id = $1 AND state = $2
ORDER BY election DESC
