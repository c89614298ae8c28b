-- How often documents of a dataset changed: what was read of them before holds on while this is the same.
ALTER TABLE dataset ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER document_added AFTER INSERT ON document
BEGIN UPDATE dataset SET changes = changes + 1 WHERE id = NEW.dataset_id; END;

CREATE TRIGGER document_changed AFTER UPDATE ON document
BEGIN UPDATE dataset SET changes = changes + 1 WHERE id = NEW.dataset_id; END;

CREATE TRIGGER document_removed AFTER DELETE ON document
BEGIN UPDATE dataset SET changes = changes + 1 WHERE id = OLD.dataset_id; END;
