-- readers: 1
-- Errors of documents by their code, with parameters, beside the sentence.

ALTER TABLE knowledge.document ADD COLUMN error_message text; -- JSON
