-- Whether its type is critical: such ones stay while others make room. Those that are there count as others.
ALTER TABLE inbox ADD COLUMN is_critical BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX inbox_critical ON inbox (user_id, id) WHERE is_critical;
CREATE INDEX inbox_ordinary ON inbox (user_id, id) WHERE NOT is_critical;
