SELECT election, method, voters
FROM district_turnout
WHERE kind = $1 AND id = $2
ORDER BY election DESC, method
