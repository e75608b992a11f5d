-- When a browser or phone was registered last, if not when it was first: a reset of the password ends what was registered before it.
ALTER TABLE push_subscriptions ADD COLUMN renewed_at TIMESTAMPTZ;

-- After a reset of the password: until when no number is shown to be the person's, for a session that was ended may be believed in.
ALTER TABLE people ADD COLUMN revoked_until TIMESTAMPTZ;
