-- Annotations: questions, and the answers that are to be given to them -----------------------------------------------

CREATE TABLE annotations (
  key INTEGER PRIMARY KEY, -- their order
  annotation_id ANY NOT NULL UNIQUE,
  app INTEGER NOT NULL, -- names
  hits INTEGER NOT NULL, -- how often it has answered
  created_at REAL NOT NULL,
  question TEXT NOT NULL,
  answer TEXT NOT NULL
) STRICT;

CREATE INDEX annotations_of_app ON annotations (app, key);

-- What stands for their questions.
CREATE TABLE annotation_vectors (
  annotation INTEGER NOT NULL, -- annotations
  space INTEGER NOT NULL, -- names: provider and model, a line each
  vector BLOB NOT NULL, -- 32-bit floats, the lowest byte first
  PRIMARY KEY (annotation, space)
) STRICT;

-- Apps that answer by their annotations, or did once.
CREATE TABLE annotation_replies (
  app INTEGER PRIMARY KEY, -- names
  version INTEGER NOT NULL, -- goes up with every change of annotations, vectors or this
  threshold REAL NOT NULL,
  provider TEXT NOT NULL, -- empty: it does not
  model TEXT NOT NULL
) STRICT;

-- Requests to do so, or to do so no more.
CREATE TABLE annotation_jobs (
  key INTEGER PRIMARY KEY,
  job_id ANY NOT NULL UNIQUE,
  app INTEGER NOT NULL, -- names
  status INTEGER NOT NULL, -- 0 waiting, 1 processing, 2 completed, 3 failed
  created_at REAL NOT NULL,
  threshold REAL NOT NULL,
  provider TEXT NOT NULL, -- empty: no more
  model TEXT NOT NULL,
  error TEXT NOT NULL
) STRICT;

CREATE INDEX annotation_jobs_open ON annotation_jobs (key) WHERE status < 2;
