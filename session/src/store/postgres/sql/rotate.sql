-- A session moves as a row whose key changes, so who waits for the row meanwhile, a revocation or a logout, still gets it.
CREATE OR REPLACE FUNCTION @rotate(
    in_at bigint, in_hash bytea, in_new bytea, in_new_tag bytea, in_change text, in_keep boolean, in_grace bigint,
    in_set text, in_removed text[], in_bytes bigint, in_values bigint, in_value bigint,
    in_idle bigint, in_absolute bigint,
    in_subject bytea, in_epoch bigint, in_limit bigint, in_evict boolean,
    in_label bytea, in_agent bytea, in_network bytea,
    OUT outcome text, OUT now bigint, OUT evicted bigint, OUT s @sessions
) LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
    found_by CONSTANT bytea := in_hash;
    current_epoch bigint := 0;
    fresh @sessions;
BEGIN
    now := in_now;
    evicted := 0;
    -- Before the session, as a revocation does: who took them the other way round could wait for each other.
    IF in_change = 'login' THEN
        PERFORM @alone(in_subject);
        current_epoch := @epoch(in_subject);
    END IF;
    SELECT t.* INTO s FROM @sessions t WHERE {at_key} AND {alive} FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'gone';
        RETURN;
    END IF;
    IF in_change = 'renew' AND s.hash <> found_by
        AND (s.previous_until IS NOT NULL OR in_now < s.renewed + in_grace)
    THEN
        outcome := 'moved';
        RETURN;
    END IF;

    fresh := s;
    fresh.hash := in_new;
    fresh.tag := in_new_tag;
    fresh.previous := NULL;
    fresh.previous_until := NULL;
    fresh.grace := NULL;
    fresh.last_seen := in_now;
    fresh.renewed := in_now;
    IF in_change = 'login' THEN
        fresh.created := in_now;
        fresh.authenticated := in_now;
        fresh.subject := in_subject;
        fresh.epoch := current_epoch;
        fresh.label := in_label;
        fresh.agent := in_agent;
        fresh.network := in_network;
        IF NOT in_keep AND s.data <> '{}' THEN
            fresh.data := '{}';
            fresh.version := fresh.version + 1;
        END IF;
    ELSIF in_change = 'elevate' THEN
        fresh.authenticated := CASE WHEN s.subject IS NOT NULL THEN in_now END;
    ELSE
        fresh.previous := found_by;
        fresh.grace := in_grace;
    END IF;
    IF in_change <> 'renew' THEN
        fresh.absolute := in_now + in_absolute;
    END IF;
    fresh.expires := least(in_now + in_idle, fresh.absolute);
    fresh.due := fresh.expires;
    IF in_set <> '{}' OR in_removed <> '{}' THEN
        fresh.data := @merge(fresh.data, in_set::jsonb, in_removed, in_bytes, in_values, in_value);
        fresh.version := fresh.version + 1;
        IF fresh.data IS NULL THEN
            outcome := 'full';
            RETURN;
        END IF;
    END IF;

    IF in_epoch <> current_epoch THEN
        outcome := 'revoked';
        RETURN;
    END IF;
    IF NOT @is_free(in_now, in_new) THEN
        outcome := 'exists';
        RETURN;
    END IF;
    IF in_change = 'login' THEN
        evicted := @make_room(in_now, in_subject, in_limit, in_evict, s.hash);
        IF evicted IS NULL THEN
            outcome := 'too many';
            RETURN;
        END IF;
    END IF;
    -- Column by column: what a newer version has added stays.
    UPDATE @sessions t SET
        hash = fresh.hash, tag = fresh.tag,
        previous = fresh.previous, previous_until = fresh.previous_until, grace = fresh.grace,
        subject = fresh.subject, epoch = fresh.epoch, version = fresh.version,
        created = fresh.created, last_seen = fresh.last_seen, expires = fresh.expires, absolute = fresh.absolute,
        authenticated = fresh.authenticated, renewed = fresh.renewed, due = fresh.due,
        label = fresh.label, agent = fresh.agent, network = fresh.network, data = fresh.data
    WHERE t.hash = s.hash
    RETURNING t.* INTO s;
    outcome := 'rotated';
END $$;
