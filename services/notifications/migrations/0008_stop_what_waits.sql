-- Of which notification it is, while it waits to be sent: by that it can be stopped.
ALTER TABLE sends ADD COLUMN unsent_of UUID;
CREATE INDEX sends_unsent ON sends (unsent_of, delivery_id) WHERE unsent_of IS NOT NULL;
