-- Former members: they come back by an invitation, not by the domain of their address.
CREATE TABLE organization_departures (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_departures_by_user ON organization_departures (user_id);
