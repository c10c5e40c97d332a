CREATE OR REPLACE FUNCTION @create(
    in_at bigint, in_hash bytea, in_tag bytea, in_data text, in_idle bigint, in_absolute bigint,
    in_subject bytea, in_epoch bigint, in_limit bigint, in_evict boolean,
    in_label bytea, in_agent bytea, in_network bytea,
    OUT outcome text, OUT now bigint, OUT evicted bigint, OUT s @sessions
) LANGUAGE plpgsql AS $$
DECLARE
    in_now CONSTANT bigint := {now};
    current_epoch bigint := 0;
BEGIN
    now := in_now;
    evicted := 0;
    IF in_subject IS NOT NULL THEN
        PERFORM @alone(in_subject);
        current_epoch := @epoch(in_subject);
    END IF;
    IF NOT @is_free(in_now, in_hash) THEN
        outcome := 'exists';
        RETURN;
    END IF;
    IF in_subject IS NOT NULL THEN
        IF in_epoch <> current_epoch THEN
            outcome := 'revoked';
            RETURN;
        END IF;
        evicted := @make_room(in_now, in_subject, in_limit, in_evict, NULL);
        IF evicted IS NULL THEN
            outcome := 'too many';
            RETURN;
        END IF;
    END IF;
    -- Two at once under one key: the second is refused by the primary key, and rolled back with whom it evicted.
    INSERT INTO @sessions AS t (
        hash, tag, subject, epoch, created, last_seen, expires, absolute, authenticated, renewed, due,
        label, agent, network, data
    ) VALUES (
        in_hash, in_tag, in_subject, current_epoch, in_now, in_now,
        in_now + least(in_idle, in_absolute), in_now + in_absolute,
        CASE WHEN in_subject IS NOT NULL THEN in_now END, in_now, in_now + least(in_idle, in_absolute),
        in_label, in_agent, in_network, in_data::jsonb
    ) RETURNING t.* INTO s;
    outcome := 'created';
END $$;
