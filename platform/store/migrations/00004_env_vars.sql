-- +goose Up

-- Variables that the jobs of a repository find in their environment. The values are sealed with the cluster key, bound to
-- their row. branch_key is the branch, empty for all of them, since two NULLs are never the same.
CREATE TABLE env_vars (
  id TEXT PRIMARY KEY,
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value_sealed TEXT NOT NULL,
  public BOOLEAN NOT NULL,
  branch TEXT,
  branch_key TEXT NOT NULL,
  created_at {{timestamp}} NOT NULL,
  updated_at {{timestamp}} NOT NULL,
  UNIQUE (repository_id, name, branch_key)
);
