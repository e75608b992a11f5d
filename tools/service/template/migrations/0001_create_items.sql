CREATE TABLE items (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX items_of_user ON items (user_id, id);
CREATE INDEX items_by_age ON items (created_at);
