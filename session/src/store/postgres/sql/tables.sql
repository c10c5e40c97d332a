-- Times are milliseconds since 1970. Texts that people choose are bytes, because text of PostgreSQL can hold no NUL.

CREATE TABLE IF NOT EXISTS @sessions (
    -- SHA-256 of the token, and the tag that the token carries.
    hash           bytea   NOT NULL PRIMARY KEY,
    tag            bytea   NOT NULL,
    -- The key before a renewal, which leads here too. It ends when the new key was seen and the grace is over;
    -- until it was seen, `previous_until` is null.
    previous       bytea,
    previous_until bigint,
    grace          bigint,
    subject        bytea,
    -- Of the subject, when the session began.
    epoch          bigint  NOT NULL DEFAULT 0,
    version        bigint  NOT NULL DEFAULT 1,
    created        bigint  NOT NULL,
    last_seen      bigint  NOT NULL,
    expires        bigint  NOT NULL,
    absolute       bigint  NOT NULL,
    authenticated  bigint,
    renewed        bigint  NOT NULL,
    -- When the sweep looks at it. Not moved by a use: it is indexed and `expires` is not, so that noting a use writes
    -- to the table's own page and to no index (HOT). Who was used meanwhile is given a new time by the sweep.
    due            bigint  NOT NULL,
    label          bytea,
    agent          bytea,
    network        bytea,
    -- Names to the JSON of values, as strings: jsonb would write numbers its own way, and knows no \u0000.
    data           jsonb   NOT NULL DEFAULT '{}'
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS #sessions_previous ON @sessions (previous) WHERE previous IS NOT NULL;
CREATE INDEX IF NOT EXISTS #sessions_subject ON @sessions (subject) WHERE subject IS NOT NULL;
CREATE INDEX IF NOT EXISTS #sessions_due ON @sessions (due);

-- Of subjects whose sessions were all ended, until nobody can remember an older one.
CREATE TABLE IF NOT EXISTS @epochs (
    subject bytea  NOT NULL PRIMARY KEY,
    epoch   bigint NOT NULL,
    until   bigint NOT NULL
);

CREATE INDEX IF NOT EXISTS #epochs_until ON @epochs (until);
