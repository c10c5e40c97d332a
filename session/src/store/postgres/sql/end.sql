CREATE OR REPLACE FUNCTION @delete(in_at bigint, in_hash bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
BEGIN
    -- Waits for who is moving it, and then finds it by the key it was moved from, or not if that key is dead already.
    DELETE FROM @sessions t WHERE {at_key} AND {alive};
    RETURN FOUND;
END $$;

-- How many were ended.
CREATE OR REPLACE FUNCTION @revoke(in_at bigint, in_subject bytea, in_hash bytea, in_kept bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
    next_epoch bigint;
    latest bigint;
    ended bigint;
BEGIN
    -- A login before this is seen below, and one after it sees the new epoch.
    PERFORM @alone(in_subject);
    SELECT coalesce(max(t.epoch), 0), coalesce(max(t.absolute), 0) INTO next_epoch, latest
    FROM @sessions t WHERE t.subject = in_subject;
    -- Above what any session has, also if the epoch was forgotten and the clock went backwards since.
    next_epoch := greatest(next_epoch + 1, @epoch(in_subject) + 1, in_now);
    UPDATE @sessions t SET epoch = next_epoch WHERE t.subject = in_subject AND {at_key} AND {alive};
    WITH gone AS (
        DELETE FROM @sessions t WHERE t.subject = in_subject AND t.epoch < next_epoch RETURNING t.*
    )
    SELECT count(*) INTO ended FROM gone t WHERE {alive};
    INSERT INTO @epochs AS e (subject, epoch, until)
    VALUES (in_subject, next_epoch, greatest(latest, in_now + in_kept))
    ON CONFLICT (subject) DO UPDATE SET epoch = excluded.epoch, until = greatest(e.until, excluded.until);
    RETURN ended;
END $$;

-- One batch. `seen` are those it looked at: if they were as many as it may look at, there may be more.
CREATE OR REPLACE FUNCTION @sweep(in_at bigint, in_batch bigint, OUT seen bigint, OUT removed bigint)
LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
    looked_at bytea[];
BEGIN
    -- Passes by who is in use, and they by it: nobody waits.
    SELECT coalesce(array_agg(d.hash), '{}') INTO looked_at FROM (
        SELECT t.hash FROM @sessions t
        WHERE t.due <= in_now
        ORDER BY t.due
        LIMIT in_batch
        FOR UPDATE SKIP LOCKED
    ) d;
    seen := cardinality(looked_at);
    DELETE FROM @sessions t WHERE t.hash = ANY (looked_at) AND (t.expires <= in_now OR t.absolute <= in_now);
    GET DIAGNOSTICS removed = ROW_COUNT;
    UPDATE @sessions t SET due = least(t.expires, t.absolute) WHERE t.hash = ANY (looked_at);
    DELETE FROM @epochs e WHERE e.ctid = ANY (ARRAY(
        SELECT o.ctid FROM @epochs o WHERE o.until <= in_now LIMIT in_batch FOR UPDATE SKIP LOCKED));
END $$;
