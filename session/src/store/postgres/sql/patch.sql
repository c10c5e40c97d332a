-- What a patch makes of values; null if that is more than there is room for. What only removes always fits.
CREATE OR REPLACE FUNCTION @merge(
    in_data jsonb, in_set jsonb, in_removed text[], in_bytes bigint, in_values bigint, in_value bigint
) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    merged CONSTANT jsonb := (in_data - in_removed) || in_set;
    fits boolean;
BEGIN
    IF in_set = '{}' THEN
        RETURN merged;
    END IF;
    SELECT count(*) <= in_values
        AND coalesce(sum(octet_length(v.key) + octet_length(v.value)), 0) <= in_bytes
        AND coalesce(max(octet_length(v.value)) FILTER (WHERE in_set ? v.key), 0) <= in_value
    INTO fits
    FROM jsonb_each_text(merged) v;
    RETURN CASE WHEN fits THEN merged END;
END $$;

CREATE OR REPLACE FUNCTION @patch(
    in_at bigint, in_hash bytea, in_version bigint, in_set text, in_removed text[],
    in_bytes bigint, in_values bigint, in_value bigint,
    OUT outcome text, OUT now bigint, OUT moved boolean, OUT s @sessions
) LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
    merged jsonb;
BEGIN
    now := in_now;
    -- Waits for who is at it, and sees what they left. Gone is gone: there is nothing to lock.
    SELECT t.* INTO s FROM @sessions t WHERE {at_key} AND {alive} FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'gone';
        RETURN;
    END IF;
    moved := s.hash <> in_hash;
    IF s.version <> in_version THEN
        outcome := 'conflict';
        RETURN;
    END IF;
    outcome := 'applied';
    IF in_set = '{}' AND in_removed = '{}' THEN
        RETURN;
    END IF;
    merged := @merge(s.data, in_set::jsonb, in_removed, in_bytes, in_values, in_value);
    IF merged IS NULL THEN
        outcome := 'full';
        RETURN;
    END IF;
    UPDATE @sessions t SET data = merged, version = t.version + 1 WHERE t.hash = s.hash
    RETURNING t.version INTO s.version;
END $$;
