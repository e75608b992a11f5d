-- Set: nobody signs in to the account, and its keys are refused.
ALTER TABLE accounts ADD COLUMN disabled_at TIMESTAMPTZ;
