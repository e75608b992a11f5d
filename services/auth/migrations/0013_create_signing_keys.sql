-- The keys that access tokens are signed with, the same for every process of this service.
CREATE TABLE signing_keys (
    -- Seconds since 1970 from which on it signs.
    signs_from BIGINT PRIMARY KEY,
    -- The private key, sealed with a key that is not in the database.
    sealed BYTEA NOT NULL
);
