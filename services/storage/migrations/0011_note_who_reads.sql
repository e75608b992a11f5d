-- Downloads under way that open further bytes as they go on: what they read is not deleted before they have come to their end, or `until` then.
CREATE TABLE readings (
    id UUID NOT NULL PRIMARY KEY,
    blob_id UUID NOT NULL,
    until TIMESTAMPTZ NOT NULL
);
CREATE INDEX readings_by_blob ON readings (blob_id, until);
CREATE INDEX readings_by_time ON readings (until, id);
