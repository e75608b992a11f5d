CREATE TABLE items (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX items_of_user ON items (user_id, id);
CREATE INDEX items_by_age ON items (created_at);

-- One row for each person: the lock under which their items are counted, and whether they were erased.
CREATE TABLE people (
    user_id UUID PRIMARY KEY,
    is_erased BOOLEAN NOT NULL
);
