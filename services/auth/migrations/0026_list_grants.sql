-- Grants are listed newest first: of an account, on a thing, on things of a kind.
CREATE INDEX grants_by_user ON grants (user_id, id);
DROP INDEX grants_by_resource;
CREATE INDEX grants_by_resource ON grants (resource_id, id);
CREATE INDEX grants_by_kind ON grants (resource_kind, id);
