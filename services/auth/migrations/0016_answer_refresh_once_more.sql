-- The token that this one was given for.
ALTER TABLE refresh_tokens ADD COLUMN parent BYTEA;
-- Set: it was answered a second time, or its successor was used, and so it is not answered again.
ALTER TABLE refresh_tokens ADD COLUMN closed_at TIMESTAMPTZ;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id, created_at);
