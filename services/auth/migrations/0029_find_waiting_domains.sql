-- What a reset of a password ends: the domains that somebody has claimed and nobody has allowed yet.
CREATE INDEX organization_domains_waiting ON organization_domains (claimed_by) WHERE verified_at IS NULL;
