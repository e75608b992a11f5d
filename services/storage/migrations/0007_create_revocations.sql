-- Who made a link, or began what is done to many objects, so that it ends with a reset of their password. Null for links of before,
-- which last thirty days at most, and of who was erased.
ALTER TABLE links ADD COLUMN made_by UUID;
CREATE INDEX links_by_maker ON links (made_by, id);
-- Null once it is finished.
ALTER TABLE operations ADD COLUMN made_by UUID;
CREATE INDEX operations_by_maker ON operations (made_by, id) WHERE finished_at IS NULL;

-- Whose password was reset lately: nothing is made any more by requests that they began before.
CREATE TABLE revocations (
    user_id UUID NOT NULL PRIMARY KEY,
    revoked_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX revocations_by_time ON revocations (revoked_at, user_id);
