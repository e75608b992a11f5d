-- Set: the key acts for the organization, in this role. It ends with the membership of the person who made it.
ALTER TABLE api_keys ADD COLUMN organization_id UUID REFERENCES organizations (id);
ALTER TABLE api_keys ADD COLUMN organization_role TEXT;
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, id) WHERE organization_id IS NOT NULL;
