-- How often it was answered again, within the leeway after its use.
ALTER TABLE refresh_tokens ADD COLUMN repeats BIGINT NOT NULL DEFAULT 0;
