-- Whether search_text and name_key are folded: composed, and the same for every case. Those of before are folded by a job.
ALTER TABLE profiles ADD COLUMN is_folded BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX profiles_unfolded ON profiles (id) WHERE NOT is_folded;
