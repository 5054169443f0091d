-- Where an owner can be reached by the other processes, and what a process owns.
ALTER TABLE owners ADD COLUMN address TEXT NOT NULL DEFAULT '';
CREATE INDEX owners_by_holder ON owners (holder, tenant, scope);
