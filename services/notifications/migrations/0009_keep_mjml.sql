-- What the HTML was made of, where it was written as MJML; else empty.
ALTER TABLE templates ADD COLUMN mjml TEXT NOT NULL DEFAULT '';
