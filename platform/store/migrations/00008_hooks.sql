-- +goose Up

-- What the repository is at its forge: which kind and host, and the id there, by which it is known once a hook has told it.
ALTER TABLE repositories ADD COLUMN forge TEXT NOT NULL DEFAULT '';
ALTER TABLE repositories ADD COLUMN forge_id TEXT NOT NULL DEFAULT '';
ALTER TABLE repositories ADD COLUMN hook_version BIGINT NOT NULL DEFAULT 0; -- one more for each change of its secrets

-- The secrets that hooks of a repository are signed with: the newest one, and the one before until it is removed.
CREATE TABLE hook_secrets (
  id TEXT PRIMARY KEY,
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  number BIGINT NOT NULL, -- the newest has the highest
  secret_sealed TEXT NOT NULL,
  created_at {{timestamp}} NOT NULL,
  UNIQUE (repository_id, number)
);

-- Deliveries that made no request, the last few of each repository and outcome.
CREATE TABLE hook_deliveries (
  id {{pk}},
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  forge TEXT NOT NULL,
  event TEXT NOT NULL,
  delivery TEXT NOT NULL,
  outcome TEXT NOT NULL,
  reason TEXT NOT NULL,
  created_at {{timestamp}} NOT NULL
);
CREATE INDEX hook_deliveries_of_repository ON hook_deliveries (repository_id, outcome, id);

ALTER TABLE requests ADD COLUMN forge TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN delivery TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN before_sha TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN compare_url TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN pull_request {{json}};
CREATE INDEX requests_of_hooks ON requests (repository_id, id) WHERE forge <> '';

ALTER TABLE commits ADD COLUMN commit_range TEXT NOT NULL DEFAULT '';

-- Jobs of a build that is not trusted are given no secrets.
ALTER TABLE builds ADD COLUMN trusted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE builds ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN pull_request {{json}};
UPDATE builds SET trusted = TRUE WHERE event IN ('push', 'api', 'cron');
