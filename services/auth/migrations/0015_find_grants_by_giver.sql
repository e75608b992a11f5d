-- What somebody gave is taken back when the account turns out to have been another's.
CREATE INDEX grants_by_giver ON grants (granted_by);
