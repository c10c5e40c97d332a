CREATE TABLE IF NOT EXISTS @migrations (
    version bigint NOT NULL PRIMARY KEY,
    -- The oldest version of the code that works with it.
    serves  bigint NOT NULL
);
