-- The organization that it was done for, or that it was done to.
ALTER TABLE audit ADD COLUMN organization_id UUID;
CREATE INDEX audit_organization ON audit (organization_id, id) WHERE organization_id IS NOT NULL;
