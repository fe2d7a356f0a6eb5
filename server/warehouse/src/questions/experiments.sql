-- Experiments, the newest first; one of them where an id is given ($1).
SELECT e.experiment, e.name, e.created, e.drawn_from, e.design, e.seal
FROM experiments e
WHERE $1::VARCHAR IS NULL OR e.experiment = $1::VARCHAR
ORDER BY e.created DESC, e.experiment
