-- Networks from which an account has signed in, so that strangers' failures elsewhere never count against them.
CREATE TABLE known_networks (
    -- SHA-256 over the account's address and the network.
    network BYTEA PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    last_used_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX known_networks_by_user ON known_networks (user_id);
CREATE INDEX known_networks_by_use ON known_networks (last_used_at);
