-- Large inputs lie beside the row of their run, which every append writes anew ----------------------------------------

-- Inputs of more than 8,192 characters; those in `runs` are empty then.
CREATE TABLE run_inputs (
  run INTEGER PRIMARY KEY, -- runs
  length INTEGER NOT NULL, -- characters of the text
  text TEXT NOT NULL
) STRICT;

-- Of runs that go on; a run that has ended is not written any more.
INSERT INTO run_inputs (run, length, text)
SELECT key, length(inputs), inputs FROM runs INDEXED BY runs_open WHERE status < 2 AND length(inputs) > 8192;

UPDATE runs SET inputs = '' WHERE key IN (SELECT run FROM run_inputs);

-- Fewer indices that take each run -----------------------------------------------------------------------------------

-- Between which hours, counted from the Unix epoch, runs of a version were created. Some may have been removed.
CREATE TABLE version_hours (
  workflow INTEGER NOT NULL, -- names
  app INTEGER NOT NULL, -- names
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (workflow, app)
) STRICT, WITHOUT ROWID;

INSERT INTO version_hours (workflow, app, first, last)
SELECT workflow, app, CAST(min(created_at) / 3600 AS INTEGER), CAST(max(created_at) / 3600 AS INTEGER)
FROM runs GROUP BY workflow, app;

-- Runs of a version are looked for between these hours, in the index by app, which tells the version.
DROP INDEX runs_of_version;

-- Those of all apps are the newest of each app, merged.
DROP INDEX runs_newest;

DROP INDEX runs_listed;

CREATE INDEX runs_listed ON runs (app, created_at, status, workflow);
