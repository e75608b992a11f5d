-- How many requests there were for mails that nobody needs, spread over a few rows.
CREATE TABLE unsent_mails (
    place BIGINT PRIMARY KEY,
    count BIGINT NOT NULL
);
