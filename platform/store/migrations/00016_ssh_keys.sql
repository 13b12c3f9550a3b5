-- +goose Up

-- The SSH key that jobs of a repository fetch with, where an administrator has given one.
CREATE TABLE repository_ssh_keys (
  repository_id BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
  description TEXT NOT NULL,
  public_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  private_sealed TEXT NOT NULL,
  created_at {{timestamp}} NOT NULL
);
