-- Processes that have said lately that they run.
CREATE TABLE nodes (
    id UUID NOT NULL PRIMARY KEY,
    -- Grows while the process runs.
    beat BIGINT NOT NULL
);

-- Who is on a channel, by as many connections.
CREATE TABLE present (
    channel TEXT NOT NULL,
    user_id UUID NOT NULL,
    connections BIGINT NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (channel, user_id)
);
CREATE INDEX present_by_user ON present (user_id);

-- These connections, and the processes that they are of.
CREATE TABLE presences (
    channel TEXT NOT NULL,
    connection_id UUID NOT NULL,
    user_id UUID NOT NULL,
    node_id UUID NOT NULL,
    PRIMARY KEY (channel, connection_id)
);
CREATE INDEX presences_by_node ON presences (node_id);
CREATE INDEX presences_by_user ON presences (user_id);
