-- Where an owner can be reached by the other processes, and what a process owns.
ALTER TABLE owners ADD COLUMN IF NOT EXISTS address text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS owners_by_holder ON owners (holder ASC, tenant ASC, scope ASC);
