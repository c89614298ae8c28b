-- Workspaces of Dify whose encrypted ids of datasets are understood: their ids.
CREATE TABLE workspace (
  id ANY PRIMARY KEY
) STRICT, WITHOUT ROWID;
