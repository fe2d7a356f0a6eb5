-- The rows of voters whose ids ($1) and states ($2, empty where unknown) are joined by line ends; $3: how many they are.
WITH named AS (
    SELECT
        unnest(string_split($1::VARCHAR, chr(10))) AS voter_id,
        unnest(string_split($2::VARCHAR, chr(10))) AS state,
        unnest(range(0, $3::BIGINT)) AS place
)
SELECT n.place, m.rowid AS row
FROM named n
JOIN members m ON m.voter_id = n.voter_id AND (n.state = '' OR m.state = upper(n.state))
