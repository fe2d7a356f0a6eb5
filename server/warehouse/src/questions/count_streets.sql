-- How many ways of the street network touch a rectangle: west, south, east, north in degrees.
SELECT count(*) AS ways FROM streets WHERE east >= $1 AND north >= $2 AND west <= $3 AND south <= $4
