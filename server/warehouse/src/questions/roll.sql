SELECT count(*) AS voters, strftime(max(registered_on) + 1, '%Y-%m-%d') AS day
FROM members
WHERE state = $1
