-- +goose Up

-- The key pair of a repository: values that are encrypted for it may stand in its .travis.yml. Made when it is first asked for.
CREATE TABLE repository_keys (
  repository_id BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
  public_pem TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  private_sealed TEXT NOT NULL,
  created_at {{timestamp}} NOT NULL
);
