-- Organizations that were deleted or restored while access tokens live that name them in a smaller version.
CREATE TABLE raised_organizations (
    organization_id UUID PRIMARY KEY,
    version BIGINT NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    -- As in revoked_sessions, raised_versions and raised_roles.
    seq BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX raised_organizations_by_seq ON raised_organizations (seq);
CREATE INDEX raised_organizations_by_until ON raised_organizations (until);
