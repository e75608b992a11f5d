CREATE TABLE organizations (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    -- Raised by each change of what is shown of it, for entity tags.
    version BIGINT NOT NULL,
    -- Raised when it is deleted or restored: access tokens that name it in a smaller version are stale.
    access_version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Set: it is deleted. Nobody acts for it, and its rows go after this time unless it is restored before.
    purge_at TIMESTAMPTZ
);
CREATE INDEX organizations_by_purge ON organizations (purge_at) WHERE purge_at IS NOT NULL;
CREATE TABLE organization_members (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- guest, member, admin, owner
    role TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_members_by_user ON organization_members (user_id, organization_id);
CREATE INDEX organization_members_by_role ON organization_members (organization_id, role, user_id);
