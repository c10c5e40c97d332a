-- One login of a subject at a time, and none during a revocation: what comes after this call in the same function
-- sees all that was done by those before. Nothing is written for it, and it ends with the transaction.
CREATE OR REPLACE FUNCTION @alone(in_subject bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- At any other level the statements after this would see what was there before.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'sessions need the isolation level read committed';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(in_subject, 'hex'), 0));
END $$;

CREATE OR REPLACE FUNCTION @epoch(in_subject bytea) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT e.epoch FROM @epochs e WHERE e.subject = in_subject), 0)
$$;

-- How many of the subject's sessions had to go for one more, not counting one; null if there is no room.
CREATE OR REPLACE FUNCTION @make_room(
    in_now bigint, in_subject bytea, in_limit bigint, in_evict boolean, in_except bytea
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    too_many bigint;
    oldest bytea[];
    evicted bigint;
BEGIN
    IF in_limit IS NULL THEN
        RETURN 0;
    END IF;
    SELECT count(*) + 1 - in_limit INTO too_many
    FROM @sessions t
    WHERE t.subject = in_subject AND t.hash IS DISTINCT FROM in_except AND {alive};
    IF too_many <= 0 THEN
        RETURN 0;
    ELSIF NOT in_evict THEN
        RETURN NULL;
    END IF;
    -- Two statements: they are locked under the keys that they have now, and the second one sees these keys.
    SELECT array_agg(o.hash) INTO oldest FROM (
        SELECT t.hash
        FROM @sessions t
        WHERE t.subject = in_subject AND t.hash IS DISTINCT FROM in_except AND {alive}
        ORDER BY t.last_seen, t.created
        LIMIT too_many
        FOR UPDATE
    ) o;
    DELETE FROM @sessions t WHERE t.hash = ANY (oldest);
    GET DIAGNOSTICS evicted = ROW_COUNT;
    RETURN evicted;
END $$;

-- Whether no session is there under a key. What is over under it is removed.
CREATE OR REPLACE FUNCTION @is_free(in_now bigint, in_hash bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM @sessions t WHERE {at_key} AND {alive}) THEN
        RETURN false;
    END IF;
    DELETE FROM @sessions t WHERE t.hash = in_hash AND NOT {alive};
    RETURN true;
END $$;
