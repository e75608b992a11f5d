-- Numbers what is taken back in the order of its commits, so that others can ask for what is new.
CREATE TABLE revocation_counter (
    id SMALLINT PRIMARY KEY,
    seq BIGINT NOT NULL
);
INSERT INTO revocation_counter (id, seq) VALUES (1, 0);
ALTER TABLE revoked_sessions ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE raised_versions ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
CREATE INDEX revoked_sessions_by_seq ON revoked_sessions (seq);
CREATE INDEX raised_versions_by_seq ON raised_versions (seq);
