-- Ends the question of the features where some voters alone are asked about: their ids, joined by line ends ($4).
WHERE p.voter_id IN (SELECT unnest(string_split($4::VARCHAR, chr(10))))
