-- Numbers that people have shown to be theirs, and that text messages go to.
CREATE TABLE phones (
    user_id UUID PRIMARY KEY,
    -- The number, sealed for this person.
    sealed_number BYTEA NOT NULL,
    -- Of the number, with a key that is not in the database: all numbers could be tried with any other.
    number_hash BYTEA NOT NULL,
    verified_at TIMESTAMPTZ NOT NULL
);

-- Numbers that are to be shown to be somebody's, by a code that is sent there: one of each person.
CREATE TABLE phone_codes (
    user_id UUID PRIMARY KEY,
    id UUID NOT NULL,
    sealed_number BYTEA NOT NULL,
    number_hash BYTEA NOT NULL,
    sealed_code BYTEA NOT NULL,
    -- Wrong ones so far.
    guesses BIGINT NOT NULL,
    -- waiting, sent, refused
    state TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX phone_codes_by_expiry ON phone_codes (expires_at);

-- Whether the person has a number in `phones`: known with their lock.
ALTER TABLE people ADD COLUMN has_phone BOOLEAN NOT NULL DEFAULT FALSE;
