-- Errors of documents by their code, with parameters, beside the sentence.
ALTER TABLE document ADD COLUMN error_message TEXT; -- JSON
