-- Datasets, their documents, and what is found in them: in a schema of their own, made with the first dataset ----------
-- A column of type bytea whose name is id or ends in _id holds an id: 16 bytes if it is a UUID, else a zero byte and its
-- text. Times are seconds since the Unix epoch. `key` is the order in which rows were made.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE SCHEMA knowledge;

CREATE TABLE knowledge.dataset (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL,
  provider text NOT NULL,
  permission text NOT NULL,
  technique text,
  embedding_provider text,
  embedding_model text,
  retrieval_model text, -- JSON
  doc_form text,
  built_in_fields boolean NOT NULL,
  external_api_id bytea,
  external_knowledge_id text,
  external_retrieval_model text, -- JSON
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL
);

CREATE TABLE knowledge.document (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  dataset_id bytea NOT NULL,
  position int8 NOT NULL,
  name text NOT NULL,
  batch text NOT NULL,
  rule_id bytea NOT NULL,
  rule text NOT NULL, -- JSON
  form text NOT NULL,
  language text NOT NULL,
  created_from text NOT NULL,
  status text NOT NULL,
  error text,
  enabled boolean NOT NULL,
  archived boolean NOT NULL,
  metadata text, -- JSON
  file text NOT NULL, -- JSON
  words int8 NOT NULL,
  tokens int8,
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL,
  started_at float8,
  parsed_at float8,
  cleaned_at float8,
  split_at float8,
  completed_at float8,
  stopped_at float8,
  disabled_at float8,
  begun int8 NOT NULL, -- the newest version that anything was made of
  version int8 NOT NULL, -- of the segments that are shown and found; 0: none are yet
  index_version int8 NOT NULL, -- of the nodes that are found
  embedded_by text NOT NULL, -- what made their vectors: provider and model; empty: they have none
  UNIQUE (dataset_id, name)
);

CREATE INDEX document_position ON knowledge.document (dataset_id, position);

CREATE INDEX document_batch ON knowledge.document (dataset_id, batch);

-- What a document was made of.
CREATE TABLE knowledge.source (
  document_id bytea PRIMARY KEY,
  file_id bytea NOT NULL UNIQUE,
  content bytea NOT NULL
);

CREATE TABLE knowledge.segment (
  key bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id bytea PRIMARY KEY,
  document_id bytea NOT NULL,
  dataset_id bytea NOT NULL,
  version int8 NOT NULL,
  position int8 NOT NULL,
  content text NOT NULL,
  answer text,
  words int8 NOT NULL,
  tokens int8 NOT NULL,
  keywords text, -- JSON
  node_id bytea NOT NULL,
  hash text NOT NULL,
  enabled boolean NOT NULL,
  status text NOT NULL,
  hits int8 NOT NULL,
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL,
  indexing_at float8,
  completed_at float8,
  disabled_at float8,
  stopped_at float8,
  error text
);

CREATE INDEX segment_of_document ON knowledge.segment (document_id, version, position);

CREATE TABLE knowledge.child (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  segment_id bytea NOT NULL,
  document_id bytea NOT NULL,
  dataset_id bytea NOT NULL,
  version int8 NOT NULL,
  position int8 NOT NULL,
  content text NOT NULL,
  words int8 NOT NULL,
  type text NOT NULL,
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL
);

CREATE INDEX child_of_segment ON knowledge.child (segment_id, position);

-- What is searched: a segment, a question, or a child chunk, with its vector and its words.
CREATE TABLE knowledge.node (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset_id bytea NOT NULL,
  document_id bytea NOT NULL,
  version int8 NOT NULL,
  segment_id bytea NOT NULL,
  child_id bytea,
  digest bytea NOT NULL, -- of model and text, in 16 bytes
  dimensions int4 NOT NULL, -- 0: it has no vector
  vector halfvec, -- of length 1
  words tsvector
);

-- In the row, where it is scanned: behind it, each of them would be fetched by itself.
ALTER TABLE knowledge.node ALTER COLUMN vector SET STORAGE PLAIN;

CREATE INDEX node_of_dataset ON knowledge.node (dataset_id);

CREATE INDEX node_of_document ON knowledge.node (document_id, version);

CREATE INDEX node_of_segment ON knowledge.node (segment_id);

CREATE INDEX node_text ON knowledge.node (digest);

CREATE INDEX node_words ON knowledge.node USING gin (words);

CREATE TABLE knowledge.posting (
  dataset_id bytea NOT NULL,
  keyword text COLLATE "C" NOT NULL,
  segment bigint NOT NULL, -- key
  PRIMARY KEY (dataset_id, keyword, segment)
);

CREATE INDEX posting_of_segment ON knowledge.posting (segment);

CREATE TABLE knowledge.field (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  dataset_id bytea NOT NULL,
  name text NOT NULL,
  type text NOT NULL,
  UNIQUE (dataset_id, name)
);

CREATE TABLE knowledge.field_use (
  field_id bytea NOT NULL,
  document_id bytea NOT NULL,
  PRIMARY KEY (field_id, document_id)
);

CREATE INDEX field_use_of_document ON knowledge.field_use (document_id);

CREATE TABLE knowledge.tag (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  name text NOT NULL UNIQUE,
  created_at float8 NOT NULL
);

CREATE TABLE knowledge.tag_use (
  tag_id bytea NOT NULL,
  dataset_id bytea NOT NULL,
  PRIMARY KEY (tag_id, dataset_id)
);

CREATE INDEX tag_use_of_dataset ON knowledge.tag_use (dataset_id);

CREATE TABLE knowledge.external_api (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  name text NOT NULL UNIQUE,
  endpoint text NOT NULL,
  api_key text NOT NULL,
  created_at float8 NOT NULL
);

-- What workflow files call datasets of other servers.
CREATE TABLE knowledge.alias (
  text text PRIMARY KEY,
  dataset_id bytea NOT NULL
);

-- Workspaces of Dify whose encrypted ids of datasets are understood: their ids.
CREATE TABLE knowledge.workspace (
  id bytea PRIMARY KEY
);

CREATE TABLE knowledge.api_key (
  key bigint GENERATED ALWAYS AS IDENTITY,
  id bytea PRIMARY KEY,
  digest bytea NOT NULL UNIQUE, -- SHA-256
  hint text NOT NULL,
  created_at float8 NOT NULL
);

-- What is to be done to a document in the background. A newer job takes the place of an older one.
CREATE TABLE knowledge.job (
  document_id bytea PRIMARY KEY,
  dataset_id bytea NOT NULL,
  version int8 NOT NULL, -- of the nodes that it makes
  segments_version int8 NOT NULL,
  stage text NOT NULL, -- cut, embed
  done int8 NOT NULL, -- the position up to which segments have their nodes
  attempts int8 NOT NULL, -- of what it is at, without success
  due_at float8 NOT NULL,
  lease_until float8 NOT NULL,
  worker text NOT NULL
);

CREATE INDEX job_due ON knowledge.job (dataset_id, due_at);

-- Rows of documents that are below a version, or of documents that are gone: to be deleted in slices.
CREATE TABLE knowledge.garbage (
  document_id bytea PRIMARY KEY,
  segments_below int8 NOT NULL,
  nodes_below int8 NOT NULL
);
