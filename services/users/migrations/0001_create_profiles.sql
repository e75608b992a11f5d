-- One row for each person; also the lock under which what belongs to the person is counted and erased.
CREATE TABLE profiles (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL UNIQUE,
    first_name TEXT,
    last_name TEXT,
    bio TEXT,
    -- File name of the avatar, below users/avatars/<user_id>/.
    avatar TEXT,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Whether user.registered has arrived; until then it may fill in the names.
    registered BOOLEAN NOT NULL,
    preferences_count BIGINT NOT NULL,
    -- "first last" in lower case, to search in.
    search_text TEXT NOT NULL,
    -- "last first" in lower case, as bytes: both engines order bytes alike, and text not.
    name_key BYTEA NOT NULL
);
CREATE INDEX profiles_by_time ON profiles (created_at, id);
CREATE INDEX profiles_by_name ON profiles (name_key, id);

CREATE TABLE preferences (
    user_id UUID NOT NULL,
    key TEXT NOT NULL,
    -- JSON.
    value TEXT NOT NULL,
    type TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- What happened to a person's data, for the person to see.
CREATE TABLE activity (
    user_id UUID NOT NULL,
    id UUID NOT NULL,
    action TEXT NOT NULL,
    -- Who did it; null is Stoa itself.
    actor_id UUID,
    -- JSON.
    detail TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX activity_by_time ON activity (created_at);

-- Avatars whose bytes may be stored already and whose profile does not name them yet.
CREATE TABLE pending_avatars (
    file TEXT NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    -- Whether it was given up: then no profile may come to name it.
    swept BOOLEAN NOT NULL
);
CREATE INDEX pending_avatars_by_time ON pending_avatars (started_at);

-- Who was erased: such a person's profile is never made again.
CREATE TABLE erased_users (
    user_id UUID NOT NULL PRIMARY KEY,
    erased_at TIMESTAMPTZ NOT NULL
);
