-- What this service has to tell: written with the rows it tells of, gone once every subscriber has it.
CREATE TABLE outbox (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    data TEXT NOT NULL,
    time TIMESTAMPTZ NOT NULL,
    traceparent TEXT
);

-- What this service has to do: its own jobs, and events that arrived for its subscriptions. `queue` is the job's or the
-- subscription's name. Done rows stay for a while, so that an event that arrives again is known.
CREATE TABLE jobs (
    queue TEXT NOT NULL,
    id UUID NOT NULL,
    key TEXT,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    payload TEXT NOT NULL,
    source TEXT NOT NULL,
    time TIMESTAMPTZ NOT NULL,
    traceparent TEXT,
    run_at TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL,
    lease UUID,
    lease_until TIMESTAMPTZ,
    last_error TEXT,
    finished_at TIMESTAMPTZ,
    PRIMARY KEY (queue, id)
);

-- In the order in which they are claimed, so that a claim reads no more than it takes, however many wait.
CREATE INDEX jobs_ready ON jobs (priority DESC, id) WHERE state = 'ready';
-- For when the next one is due.
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'ready';
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE state = 'dead';
CREATE INDEX jobs_done ON jobs (finished_at) WHERE state = 'done';
-- For the order of one key: what of it runs or waits.
CREATE INDEX jobs_unfinished ON jobs (queue, key, state, id) WHERE state IN ('ready', 'running') AND key IS NOT NULL;

-- When each schedule is due next; whoever moves it on enqueues its job.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    cron TEXT NOT NULL,
    next_at TIMESTAMPTZ NOT NULL
);
