-- readers: 3
-- What a process has to know to execute an open run: see LOG_FORMAT in events.py.

ALTER TABLE open_runs ADD COLUMN format int2 NOT NULL DEFAULT 1;

-- Processes remember apps by their keys, and forget them when they hear that something has changed.

CREATE FUNCTION tell_that_apps_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY jikko_apps;
  RETURN NULL;
END $$;

CREATE TRIGGER apps_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON apps
FOR EACH STATEMENT EXECUTE FUNCTION tell_that_apps_changed();

CREATE TRIGGER api_keys_changed AFTER INSERT OR UPDATE OF app_id, digest OR DELETE OR TRUNCATE ON api_keys
FOR EACH STATEMENT EXECUTE FUNCTION tell_that_apps_changed();
