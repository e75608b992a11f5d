-- For attempts that are to be made again too late, since a clock was ahead: what else waits for its time is not read for it.
CREATE INDEX jobs_again ON jobs (run_at) WHERE state = 'waiting' AND NOT behind AND attempts > 0;
