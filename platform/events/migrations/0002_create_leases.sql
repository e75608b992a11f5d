-- Which of several processes relays this service's outbox, and which takes in its events. A holder changes `until` again and
-- again; `token` grows with each new holder.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder UUID,
    token BIGINT NOT NULL,
    until TIMESTAMPTZ NOT NULL
);

-- How far this service has taken in a stream that numbers its events: written with the rows that the events became.
CREATE TABLE positions (
    stream TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
