-- Reads, and writes only if a use is to be noted or a new key is seen for the first time.
CREATE OR REPLACE FUNCTION @load(
    in_at bigint, in_hash bytea, in_idle bigint, in_after bigint,
    OUT now bigint, OUT touched boolean, OUT moved boolean, OUT s @sessions
) LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
    written @sessions;
    is_due boolean;
    is_first boolean;
BEGIN
    now := in_now;
    touched := false;
    moved := false;
    SELECT t.* INTO s FROM @sessions t WHERE t.hash = in_hash AND {alive};
    IF NOT FOUND THEN
        -- A key that is moved meanwhile is found here: this statement sees more than the one before, never less.
        SELECT t.* INTO s FROM @sessions t WHERE {previous} AND {alive};
        moved := FOUND;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    is_due := coalesce(
        in_now > s.last_seen
            AND in_now - s.last_seen >= in_after
            AND least(in_now + in_idle, s.absolute) <> s.expires,
        false);
    is_first := NOT moved AND s.previous IS NOT NULL AND s.previous_until IS NULL;
    IF is_due OR is_first THEN
        -- Somebody who is at this session makes nobody wait who only reads: the next one will note its use. And of two
        -- at once the second finds it noted.
        UPDATE @sessions t SET
            last_seen = CASE WHEN is_due THEN in_now ELSE t.last_seen END,
            expires = CASE WHEN is_due THEN least(in_now + in_idle, t.absolute) ELSE t.expires END,
            previous_until = CASE WHEN is_first THEN in_now + t.grace ELSE t.previous_until END
        WHERE t.hash = (
            SELECT u.hash FROM @sessions u
            WHERE u.hash = s.hash
                AND u.last_seen = s.last_seen
                AND u.previous_until IS NOT DISTINCT FROM s.previous_until
            FOR UPDATE SKIP LOCKED)
        RETURNING t.* INTO written;
        IF FOUND THEN
            s := written;
            touched := is_due;
        END IF;
    END IF;
END $$;

-- Of a subject, the last used first.
CREATE OR REPLACE FUNCTION @list(in_at bigint, in_subject bytea) RETURNS SETOF @sessions LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
BEGIN
    RETURN QUERY
        SELECT t.* FROM @sessions t
        WHERE t.subject = in_subject AND {alive}
        ORDER BY t.last_seen DESC, t.created DESC;
END $$;
