-- Jobs that wait for their time stand apart from those that may run now, and each queue by itself, so that a claim reads no
-- more than it takes. `claims` counts how often a job was claimed; `attempts` counts attempts that failed; `crashes` counts
-- processes that died while they held it, since its last attempt that ended.
DROP INDEX jobs_ready;
DROP INDEX jobs_due;
DROP INDEX jobs_done;
DROP INDEX jobs_unfinished;
ALTER TABLE jobs ADD COLUMN claims BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN crashes BIGINT NOT NULL DEFAULT 0;

UPDATE jobs SET state = 'waiting' WHERE state = 'ready' AND (attempts > 0 OR run_at > time);

-- In the order in which they are claimed.
CREATE INDEX jobs_ready ON jobs (queue, priority DESC, id) WHERE state = 'ready';
CREATE INDEX jobs_waiting ON jobs (run_at) WHERE state = 'waiting';
-- Jobs that were held by processes that died, again and again: they run alone.
CREATE INDEX jobs_suspect ON jobs (queue, id) WHERE state = 'suspect';
CREATE INDEX jobs_done ON jobs (queue, finished_at) WHERE state = 'done';
-- For the order of one key: what of it runs or waits.
CREATE INDEX jobs_unfinished ON jobs (queue, key, state, id)
    WHERE state IN ('ready', 'waiting', 'suspect', 'running') AND key IS NOT NULL;
