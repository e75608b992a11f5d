-- Roles that changed while access tokens which name them in a smaller version live.
CREATE TABLE raised_roles (
    role TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    -- As in revoked_sessions and raised_versions. Numbers are given after the commit; 0: not yet.
    seq BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX raised_roles_by_seq ON raised_roles (seq);
-- Set: the role is gone, and is being taken from those who had it.
ALTER TABLE roles ADD COLUMN removed_at TIMESTAMPTZ;
