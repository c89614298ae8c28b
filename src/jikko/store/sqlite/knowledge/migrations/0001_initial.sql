-- The knowledge of a data folder: datasets, their documents, and what is found in them -------------------------------
-- A column of type ANY holds an id: 16 bytes if it is a UUID, else its text. Times are seconds since the Unix epoch.

CREATE TABLE dataset (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  provider TEXT NOT NULL,
  permission TEXT NOT NULL,
  technique TEXT,
  embedding_provider TEXT,
  embedding_model TEXT,
  retrieval_model TEXT, -- JSON
  doc_form TEXT,
  built_in_fields INTEGER NOT NULL,
  external_api_id ANY,
  external_knowledge_id TEXT,
  external_retrieval_model TEXT, -- JSON
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  -- How often vectors of it were removed: what was read of them before may hold some that are gone.
  removals INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE document (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  dataset_id ANY NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  batch TEXT NOT NULL,
  rule_id ANY NOT NULL,
  rule TEXT NOT NULL, -- JSON
  form TEXT NOT NULL,
  language TEXT NOT NULL,
  created_from TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT,
  enabled INTEGER NOT NULL,
  archived INTEGER NOT NULL,
  metadata TEXT, -- JSON
  file TEXT NOT NULL, -- JSON
  words INTEGER NOT NULL,
  tokens INTEGER,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  started_at REAL,
  parsed_at REAL,
  cleaned_at REAL,
  split_at REAL,
  completed_at REAL,
  stopped_at REAL,
  disabled_at REAL,
  begun INTEGER NOT NULL, -- the newest version that anything was made of
  version INTEGER NOT NULL, -- of the segments that are shown and found; 0: none are yet
  index_version INTEGER NOT NULL, -- of the nodes that are found
  embedded_by TEXT NOT NULL -- what made their vectors: provider and model; empty: they have none
) STRICT;

CREATE UNIQUE INDEX document_name ON document (dataset_id, name);
CREATE INDEX document_position ON document (dataset_id, position);
CREATE INDEX document_batch ON document (dataset_id, batch);

-- What a document was made of.
CREATE TABLE source (
  document_id ANY PRIMARY KEY,
  file_id ANY NOT NULL UNIQUE,
  content BLOB NOT NULL
) STRICT;

CREATE TABLE segment (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  document_id ANY NOT NULL,
  dataset_id ANY NOT NULL,
  version INTEGER NOT NULL,
  position INTEGER NOT NULL,
  content TEXT NOT NULL,
  answer TEXT,
  words INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  keywords TEXT, -- JSON
  node_id ANY NOT NULL,
  hash TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  status TEXT NOT NULL,
  hits INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  indexing_at REAL,
  completed_at REAL,
  disabled_at REAL,
  stopped_at REAL,
  error TEXT
) STRICT;

CREATE INDEX segment_of_document ON segment (document_id, version, position);
CREATE INDEX segment_disabled ON segment (dataset_id) WHERE enabled = 0;

CREATE TABLE child (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  segment_id ANY NOT NULL,
  document_id ANY NOT NULL,
  dataset_id ANY NOT NULL,
  version INTEGER NOT NULL,
  position INTEGER NOT NULL,
  content TEXT NOT NULL,
  words INTEGER NOT NULL,
  type TEXT NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL
) STRICT;

CREATE INDEX child_of_segment ON child (segment_id, position);
CREATE INDEX child_of_document ON child (document_id, version);

-- What is searched: a segment, a question, or a child chunk, with its vector.
CREATE TABLE node (
  key INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: what was read of others stays true
  dataset_id ANY NOT NULL,
  document_id ANY NOT NULL,
  version INTEGER NOT NULL,
  segment_id ANY NOT NULL,
  child_id ANY,
  digest BLOB NOT NULL, -- of model and text, in 16 bytes
  vector BLOB NOT NULL -- float16 of length 1, or nothing
) STRICT;

CREATE INDEX node_of_dataset ON node (dataset_id);
CREATE INDEX node_of_document ON node (document_id, version);
CREATE INDEX node_of_segment ON node (segment_id);
CREATE INDEX node_text ON node (digest);

-- The words of nodes; `scope` has the dataset, so that no search walks through the words of others.
CREATE VIRTUAL TABLE words USING fts5 (scope, text, tokenize = 'porter unicode61 remove_diacritics 2');

CREATE TABLE posting (
  dataset_id ANY NOT NULL,
  keyword TEXT NOT NULL,
  segment INTEGER NOT NULL, -- key
  PRIMARY KEY (dataset_id, keyword, segment)
) STRICT, WITHOUT ROWID;

CREATE INDEX posting_of_segment ON posting (segment);

CREATE TABLE field (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  dataset_id ANY NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  UNIQUE (dataset_id, name)
) STRICT;

CREATE TABLE field_use (
  field_id ANY NOT NULL,
  document_id ANY NOT NULL,
  PRIMARY KEY (field_id, document_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX field_use_of_document ON field_use (document_id);

CREATE TABLE tag (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  created_at REAL NOT NULL
) STRICT;

CREATE TABLE tag_use (
  tag_id ANY NOT NULL,
  dataset_id ANY NOT NULL,
  PRIMARY KEY (tag_id, dataset_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX tag_use_of_dataset ON tag_use (dataset_id);

CREATE TABLE external_api (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  endpoint TEXT NOT NULL,
  api_key TEXT NOT NULL,
  created_at REAL NOT NULL
) STRICT;

-- What workflow files call datasets of other servers.
CREATE TABLE alias (
  text TEXT PRIMARY KEY,
  dataset_id ANY NOT NULL
) STRICT;

CREATE TABLE api_key (
  key INTEGER PRIMARY KEY,
  id ANY NOT NULL UNIQUE,
  digest BLOB NOT NULL UNIQUE, -- SHA-256
  hint TEXT NOT NULL,
  created_at REAL NOT NULL
) STRICT;

-- What is to be done to a document in the background. A newer job takes the place of an older one.
CREATE TABLE job (
  document_id ANY PRIMARY KEY,
  dataset_id ANY NOT NULL,
  version INTEGER NOT NULL, -- of the nodes that it makes
  segments_version INTEGER NOT NULL,
  stage TEXT NOT NULL, -- cut, embed
  done INTEGER NOT NULL, -- the position up to which segments have their nodes
  attempts INTEGER NOT NULL, -- of what it is at, without success
  due_at REAL NOT NULL,
  lease_until REAL NOT NULL,
  worker TEXT NOT NULL
) STRICT;

CREATE INDEX job_due ON job (dataset_id, due_at);
CREATE INDEX job_leased ON job (dataset_id, lease_until);

-- Rows of documents that are below a version, or of documents that are gone: to be deleted in slices.
CREATE TABLE garbage (
  document_id ANY PRIMARY KEY,
  segments_below INTEGER NOT NULL,
  nodes_below INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
