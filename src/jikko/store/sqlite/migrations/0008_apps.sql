-- Apps: values for their environment variables, and those that were removed ---------------------------------------------
-- The values that were set for environment variables of its workflow:
-- A JSON object by the name of the variable; empty for none.
ALTER TABLE apps ADD COLUMN environment TEXT NOT NULL DEFAULT '';

-- Apps that were removed while runs of theirs may be there, so that these can be listed by name.
CREATE TABLE deleted_apps (
  app_id TEXT NOT NULL,
  name TEXT NOT NULL,
  deleted_at REAL NOT NULL
) STRICT;
