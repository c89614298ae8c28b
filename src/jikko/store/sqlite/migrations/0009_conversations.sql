-- Conversations: what end users and apps say to each other ---------------------------------------------------------------

CREATE TABLE conversations (
  key INTEGER PRIMARY KEY,
  conversation_id ANY NOT NULL UNIQUE,
  app INTEGER NOT NULL, -- names
  end_user INTEGER NOT NULL, -- end_users
  turns INTEGER NOT NULL, -- how many messages it was given
  title_due INTEGER NOT NULL, -- 1: a model is still to make a name
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  name TEXT NOT NULL,
  introduction TEXT NOT NULL,
  inputs TEXT NOT NULL -- a JSON object
) STRICT;

CREATE INDEX conversations_by_update ON conversations (end_user, updated_at);

CREATE INDEX conversations_by_creation ON conversations (end_user, created_at);

-- For retention.
CREATE INDEX conversations_of_app ON conversations (app, updated_at);

CREATE INDEX conversations_untitled ON conversations (created_at) WHERE title_due = 1;

-- Messages: one turn each. The key is their order.
CREATE TABLE messages (
  key INTEGER PRIMARY KEY,
  message_id ANY NOT NULL UNIQUE,
  conversation INTEGER NOT NULL, -- conversations
  run_id ANY, -- the run that answers it; empty if none did
  status INTEGER NOT NULL, -- 0 normal, 1 error, 2 paused
  created_at REAL NOT NULL,
  query TEXT NOT NULL,
  answer TEXT NOT NULL,
  error TEXT,
  inputs TEXT NOT NULL, -- a JSON object
  files TEXT NOT NULL, -- a JSON array; empty for none
  details TEXT NOT NULL -- of the answer: files, metadata and forms as a JSON object; empty for none
) STRICT;

CREATE INDEX messages_of_conversation ON messages (conversation, key);

CREATE INDEX messages_of_run ON messages (run_id) WHERE run_id IS NOT NULL;

-- Uploaded files that came with messages, so that they may be fetched by their ids.
CREATE TABLE message_files (
  message INTEGER NOT NULL, -- messages
  file_id ANY NOT NULL,
  PRIMARY KEY (message, file_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_files_by_id ON message_files (file_id);

-- What end users think of answers: one feedback a message.
CREATE TABLE feedbacks (
  key INTEGER PRIMARY KEY,
  message INTEGER NOT NULL UNIQUE, -- messages
  app INTEGER NOT NULL, -- names
  feedback_id ANY NOT NULL,
  liked INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  content TEXT
) STRICT;

CREATE INDEX feedbacks_of_app ON feedbacks (app, key);

-- The variables of conversations, in the order of their workflow.
CREATE TABLE conversation_variables (
  key INTEGER PRIMARY KEY,
  conversation INTEGER NOT NULL, -- conversations
  variable_id ANY NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL,
  name TEXT NOT NULL,
  value_type TEXT NOT NULL,
  description TEXT NOT NULL,
  value TEXT NOT NULL, -- JSON
  UNIQUE (conversation, name)
) STRICT;
