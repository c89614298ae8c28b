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
