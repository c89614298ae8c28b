-- A column of type bytea whose name ends in _id holds an id: 16 bytes if it is a UUID, else a zero byte and its text.
-- `key` is the order in which rows were made.

CREATE TABLE installation (
  name text PRIMARY KEY,
  value bytea NOT NULL
);

-- Apps, their versions and keys ------------------------------------------------------------------------------------

CREATE TABLE apps (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_id bytea NOT NULL UNIQUE,
  name text NOT NULL UNIQUE,
  mode text NOT NULL,
  description text NOT NULL,
  icon_type text NOT NULL,
  icon text NOT NULL,
  icon_background text NOT NULL,
  use_icon_as_answer_icon boolean NOT NULL,
  created_at float8 NOT NULL,
  workflow_id bytea NOT NULL,
  environment text NOT NULL DEFAULT '' -- a JSON object; empty for none
);

CREATE TABLE workflows (
  app_id bytea NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
  workflow_id bytea NOT NULL,
  number int4 NOT NULL,
  version text NOT NULL,
  source bytea NOT NULL, -- zlib
  created_at float8 NOT NULL,
  PRIMARY KEY (app_id, workflow_id),
  UNIQUE (app_id, number)
);

CREATE TABLE api_keys (
  key bigint GENERATED ALWAYS AS IDENTITY,
  key_id bytea PRIMARY KEY,
  app_id bytea NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
  digest bytea NOT NULL UNIQUE, -- SHA-256
  hint text NOT NULL,
  created_at float8 NOT NULL,
  used_at float8
);

CREATE INDEX api_keys_of_app ON api_keys (app_id, created_at);

CREATE TABLE deleted_apps (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_id bytea NOT NULL,
  name text NOT NULL,
  deleted_at float8 NOT NULL
);

-- Runs -------------------------------------------------------------------------------------------------------------
-- An open run is a row in `open_runs`, which is changed in place, and a row in `open_log` for each append. A run that
-- has ended is one row in `runs`, written once and never changed, with its log.

CREATE SEQUENCE run_keys;

CREATE TABLE open_runs (
  run_id bytea PRIMARY KEY,
  key bigint NOT NULL DEFAULT nextval('run_keys'),
  task_id bytea NOT NULL,
  app_id bytea NOT NULL,
  workflow_id bytea NOT NULL,
  version text NOT NULL,
  end_user_id bytea NOT NULL,
  session text NOT NULL, -- the `user` of the request
  retry_of bytea,
  created_at float8 NOT NULL,
  inputs text NOT NULL,
  status int2 NOT NULL, -- 0 running, 1 paused, 2 succeeded, 3 failed, 4 stopped, 5 partial-succeeded
  epoch int4 NOT NULL,
  log_end int4 NOT NULL, -- how many events the log has
  outputs bytea NOT NULL,
  error text,
  elapsed float8 NOT NULL,
  total_tokens int8 NOT NULL,
  total_steps int4 NOT NULL,
  exceptions_count int4 NOT NULL,
  finished_at float8,
  wake_at float8, -- when a paused run goes on by itself
  price text, -- a decimal number and a currency
  failed_node text, -- id and title of the node that it failed at, a JSON array
  exceptions text, -- failed tries, handled failures and failed rounds, a JSON array
  holder text NOT NULL, -- the process that executes it
  mark int8 NOT NULL -- of the last append
) WITH (
  fillfactor = 70, toast_tuple_target = 128, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX open_runs_by_task ON open_runs (task_id);

CREATE INDEX open_runs_waking ON open_runs (wake_at, key) WHERE status = 1;

CREATE INDEX open_runs_listed ON open_runs (app_id, created_at, key);

CREATE INDEX open_runs_of_user ON open_runs (end_user_id, created_at);

CREATE INDEX open_runs_retrying ON open_runs (retry_of) WHERE retry_of IS NOT NULL;

CREATE TABLE open_log (
  run_id bytea NOT NULL,
  position int4 NOT NULL, -- of the first event in the frame
  frame bytea NOT NULL,
  PRIMARY KEY (run_id, position)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE open_log ALTER COLUMN frame SET STORAGE EXTERNAL;

CREATE TABLE runs (
  run_id bytea PRIMARY KEY,
  key bigint NOT NULL DEFAULT nextval('run_keys'),
  task_id bytea NOT NULL,
  app_id bytea NOT NULL,
  workflow_id bytea NOT NULL,
  version text NOT NULL,
  end_user_id bytea NOT NULL,
  session text NOT NULL,
  retry_of bytea,
  created_at float8 NOT NULL,
  inputs text NOT NULL,
  status int2 NOT NULL,
  epoch int4 NOT NULL,
  log_end int4 NOT NULL,
  outputs bytea NOT NULL,
  error text,
  elapsed float8 NOT NULL,
  total_tokens int8 NOT NULL,
  total_steps int4 NOT NULL,
  exceptions_count int4 NOT NULL,
  finished_at float8,
  wake_at float8,
  price text,
  failed_node text,
  exceptions text,
  holder text NOT NULL,
  mark int8 NOT NULL,
  log bytea NOT NULL
);

ALTER TABLE runs ALTER COLUMN log SET STORAGE EXTERNAL;

CREATE INDEX runs_listed ON runs (app_id, created_at, key, status);

CREATE INDEX runs_unsuccessful ON runs (app_id, status, created_at, key) WHERE status > 2;

CREATE INDEX runs_of_user ON runs (end_user_id, created_at, status);

CREATE INDEX runs_of_session ON runs (app_id, session, created_at);

CREATE INDEX runs_retrying ON runs (retry_of) WHERE retry_of IS NOT NULL;

-- What is promised with a run, and what belongs to it -----------------------------------------------------------------

-- The run that an idempotency key of an app belongs to. Rows outlive their time until the next key is claimed.
CREATE TABLE idempotency_keys (
  app_id bytea NOT NULL,
  key text NOT NULL,
  run_id bytea NOT NULL,
  fingerprint bytea NOT NULL, -- of the request
  expires_at float8 NOT NULL,
  PRIMARY KEY (app_id, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (expires_at);

-- Where a run is reported to once it has ended.
CREATE TABLE callbacks (
  run_id bytea PRIMARY KEY,
  app_id bytea NOT NULL,
  url text NOT NULL,
  receiver text COLLATE "C" NOT NULL, -- host and port of the address
  created_at float8 NOT NULL,
  state int2 NOT NULL, -- 0 to be delivered, 1 delivered, 2 given up, 3 its run has not ended
  attempts int4 NOT NULL,
  first_at float8, -- the first attempt, or the first after it was resent
  next_at float8 NOT NULL, -- not to be tried before
  finished_at float8, -- when it was delivered or given up
  error text -- of the last attempt
);

CREATE INDEX callbacks_due ON callbacks (receiver, next_at, run_id) WHERE state = 0;

CREATE INDEX callbacks_undelivered ON callbacks (created_at, run_id) WHERE state IN (0, 2);

CREATE TABLE webhook_secrets (
  app_id bytea PRIMARY KEY,
  secret text NOT NULL
);

-- Files, and who uses apps --------------------------------------------------------------------------------------------

CREATE TABLE files (
  file_id bytea PRIMARY KEY,
  app_id bytea NOT NULL,
  end_user_id bytea NOT NULL,
  name text NOT NULL,
  size int8 NOT NULL,
  extension text NOT NULL,
  mime_type text NOT NULL,
  digest bytea NOT NULL, -- SHA-256
  created_at float8 NOT NULL,
  origin int2 NOT NULL, -- 0 uploaded, 1 made by a node
  used_at float8 -- when a run took it as an input last; retention counts from then
);

CREATE INDEX files_of_app ON files (app_id, created_at);

CREATE INDEX files_of_user ON files (end_user_id, created_at);

CREATE INDEX files_by_age ON files (created_at);

CREATE INDEX files_by_digest ON files (digest);

-- Those who uploaded files; whoever started a run is named by the run.
CREATE TABLE end_users (
  key bigint GENERATED ALWAYS AS IDENTITY,
  app_id bytea NOT NULL,
  end_user_id bytea NOT NULL,
  session text NOT NULL,
  PRIMARY KEY (app_id, end_user_id)
);

-- Conversations: what end users and apps say to each other ---------------------------------------------------------------

CREATE TABLE conversations (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  conversation_id bytea NOT NULL UNIQUE,
  app_id bytea NOT NULL,
  end_user_id bytea NOT NULL,
  session text NOT NULL,
  turns int4 NOT NULL, -- how many messages it was given
  title_due boolean NOT NULL, -- a model is still to make a name
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL,
  name text NOT NULL,
  introduction text NOT NULL,
  inputs text NOT NULL -- a JSON object
);

CREATE INDEX conversations_by_update ON conversations (end_user_id, updated_at, key);

CREATE INDEX conversations_by_creation ON conversations (end_user_id, created_at, key);

-- For retention.
CREATE INDEX conversations_of_app ON conversations (app_id, updated_at);

CREATE INDEX conversations_untitled ON conversations (created_at) WHERE title_due;

-- Messages: one turn each. The key is their order.
CREATE TABLE messages (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message_id bytea NOT NULL UNIQUE,
  conversation bigint NOT NULL REFERENCES conversations (key) ON DELETE CASCADE,
  run_id bytea, -- the run that answers it; empty if none did
  status int2 NOT NULL, -- 0 normal, 1 error, 2 paused
  created_at float8 NOT NULL,
  query text NOT NULL,
  answer text NOT NULL,
  error text,
  inputs text NOT NULL, -- a JSON object
  files text NOT NULL, -- a JSON array; empty for none
  details text NOT NULL -- of the answer: files, metadata and forms as a JSON object; empty for none
);

CREATE INDEX messages_of_conversation ON messages (conversation, key);

CREATE INDEX messages_of_run ON messages (run_id) WHERE run_id IS NOT NULL;

-- Uploaded files that came with messages, so that they may be fetched by their ids.
CREATE TABLE message_files (
  message bigint NOT NULL REFERENCES messages (key) ON DELETE CASCADE,
  file_id bytea NOT NULL,
  PRIMARY KEY (message, file_id)
);

CREATE INDEX message_files_by_id ON message_files (file_id);

-- What end users think of answers: one feedback a message.
CREATE TABLE feedbacks (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message bigint NOT NULL UNIQUE REFERENCES messages (key) ON DELETE CASCADE,
  app_id bytea NOT NULL,
  feedback_id bytea NOT NULL,
  liked boolean NOT NULL,
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL,
  content text
);

CREATE INDEX feedbacks_of_app ON feedbacks (app_id, key);

-- The variables of conversations, in the order of their workflow.
CREATE TABLE conversation_variables (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  conversation bigint NOT NULL REFERENCES conversations (key) ON DELETE CASCADE,
  variable_id bytea NOT NULL,
  created_at float8 NOT NULL,
  updated_at float8 NOT NULL,
  name text NOT NULL,
  value_type text NOT NULL,
  description text NOT NULL,
  value text NOT NULL, -- JSON
  UNIQUE (conversation, name)
);

-- Annotations: questions, and the answers that are to be given to them -----------------------------------------------

CREATE TABLE annotations (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- their order
  annotation_id bytea NOT NULL UNIQUE,
  app_id bytea NOT NULL,
  hits int8 NOT NULL, -- how often it has answered
  created_at float8 NOT NULL,
  question text NOT NULL,
  answer text NOT NULL
);

CREATE INDEX annotations_of_app ON annotations (app_id, key);

-- What stands for their questions.
CREATE TABLE annotation_vectors (
  annotation bigint NOT NULL REFERENCES annotations (key) ON DELETE CASCADE,
  provider text NOT NULL,
  model text NOT NULL,
  vector bytea NOT NULL, -- 32-bit floats, the lowest byte first
  PRIMARY KEY (annotation, provider, model)
);

-- Apps that answer by their annotations, or did once.
CREATE TABLE annotation_replies (
  app_id bytea PRIMARY KEY,
  version int8 NOT NULL, -- goes up with every change of annotations, vectors or this
  threshold float8 NOT NULL,
  provider text NOT NULL, -- empty: it does not
  model text NOT NULL
);

-- Requests to do so, or to do so no more.
CREATE TABLE annotation_jobs (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bytea NOT NULL UNIQUE,
  app_id bytea NOT NULL,
  status int2 NOT NULL, -- 0 waiting, 1 processing, 2 completed, 3 failed
  created_at float8 NOT NULL,
  threshold float8 NOT NULL,
  provider text NOT NULL, -- empty: no more
  model text NOT NULL,
  error text NOT NULL
);

CREATE INDEX annotation_jobs_open ON annotation_jobs (key) WHERE status < 2;

-- What plugins keep ------------------------------------------------------------------------------------------------------

CREATE TABLE plugin_storage (
  plugin text NOT NULL,
  app_id bytea NOT NULL,
  key text NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (plugin, app_id, key)
);
