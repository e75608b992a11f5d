-- Texts that somebody has written in the place of those that came with the program. Versions are never changed.
CREATE TABLE templates (
    type TEXT NOT NULL,
    channel TEXT NOT NULL,
    language TEXT NOT NULL,
    version BIGINT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    html TEXT NOT NULL,
    link TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (type, channel, language, version)
);

-- Which version is used, and the newest that there was; 0 is the one that came with the program.
CREATE TABLE active_templates (
    type TEXT NOT NULL,
    channel TEXT NOT NULL,
    language TEXT NOT NULL,
    version BIGINT NOT NULL,
    newest BIGINT NOT NULL,
    PRIMARY KEY (type, channel, language)
);
