-- Permissions on one thing.
CREATE TABLE grants (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- A permission, or a noun's *.
    action TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    resource_id UUID NOT NULL,
    -- Stays when that account is gone.
    granted_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (user_id, resource_kind, resource_id, action)
);
CREATE INDEX grants_by_resource ON grants (resource_id, resource_kind);
