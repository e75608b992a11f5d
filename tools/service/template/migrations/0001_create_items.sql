CREATE TABLE items (
    id UUID PRIMARY KEY,
    -- user, organization
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX items_of_owner ON items (owner_kind, owner_id, id);
CREATE INDEX items_by_age ON items (created_at);

-- One row for each owner: the lock under which their items are counted, and whether they were erased.
CREATE TABLE owners (
    kind TEXT NOT NULL,
    id UUID NOT NULL,
    is_erased BOOLEAN NOT NULL,
    PRIMARY KEY (kind, id)
);
