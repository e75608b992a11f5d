-- File name of the picture, below auth/organizations/<id>/.
ALTER TABLE organizations ADD COLUMN picture TEXT;

-- Pictures that are stored and that no organization names yet.
CREATE TABLE pending_pictures (
    file TEXT PRIMARY KEY,
    organization_id UUID NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    -- It is being deleted: no organization can come to name it.
    swept BOOLEAN NOT NULL
);
CREATE INDEX pending_pictures_by_time ON pending_pictures (started_at);
