-- Results that were recorded on lists: what a list's progress is counted from.
SELECT list_id, voter_id, upper(coalesce(state, '')) AS state, result, CAST(answers AS VARCHAR) AS answers,
    epoch_us(occurred_at) AS at
FROM event_contact_door
WHERE list_id IS NOT NULL AND voter_id IS NOT NULL AND result IS NOT NULL
