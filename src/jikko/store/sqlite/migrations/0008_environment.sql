-- Values for environment variables of workflows, set for an app ---------------------------------------------------------
-- A JSON object by the name of the variable; empty for none.
ALTER TABLE apps ADD COLUMN environment TEXT NOT NULL DEFAULT '';
