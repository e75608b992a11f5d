-- E-mail domains whose people may join an organization without an invitation, once an administrator of the domain has allowed it.
CREATE TABLE organization_domains (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    -- In lower case and ASCII.
    domain TEXT NOT NULL,
    -- What people who join become: guest, member
    role TEXT NOT NULL,
    -- Stays when that account is gone.
    claimed_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- None: the mail to the domain was not answered yet.
    verified_at TIMESTAMPTZ,
    UNIQUE (organization_id, domain)
);
CREATE INDEX organization_domains_by_domain ON organization_domains (domain, organization_id) WHERE verified_at IS NOT NULL;
