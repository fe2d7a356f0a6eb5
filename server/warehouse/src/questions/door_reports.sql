-- What canvassers found to be different.
SELECT voter_id, upper(coalesce(state, '')) AS state, report, CAST(details AS VARCHAR) AS details,
    epoch_us(occurred_at) AS at
FROM event_door_report
WHERE voter_id IS NOT NULL AND report IS NOT NULL
