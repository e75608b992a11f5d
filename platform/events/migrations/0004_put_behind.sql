-- A ready job of a key of which another runs, or waits before it, was read anew by each claim. It is put behind that one now: it
-- waits too, out of the way and for no time, and is put back when that one has ended.
ALTER TABLE jobs ADD COLUMN behind BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX jobs_behind ON jobs (queue, key, id) WHERE state = 'waiting' AND behind;
DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (run_at) WHERE state = 'waiting' AND NOT behind;
