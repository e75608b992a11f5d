-- Invitations that were neither accepted nor declined nor revoked. The link of an invitation's mail is made of its id and a secret that is
-- not in the database.
CREATE TABLE invitations (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    -- As given, for mail.
    email TEXT NOT NULL,
    -- Lowercased: what makes an address one.
    email_key TEXT NOT NULL,
    -- guest, member, admin, owner
    role TEXT NOT NULL,
    -- It ends with their membership.
    invited_by UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, email_key)
);
CREATE INDEX invitations_by_organization ON invitations (organization_id, id);
CREATE INDEX invitations_by_email ON invitations (email_key, id);
CREATE INDEX invitations_by_inviter ON invitations (invited_by, organization_id);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
