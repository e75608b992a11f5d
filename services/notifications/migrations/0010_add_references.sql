-- What auth names the recipient by, where it is no person: invitation, domain. user_id is then its id.
ALTER TABLE deliveries ADD COLUMN reference TEXT;
