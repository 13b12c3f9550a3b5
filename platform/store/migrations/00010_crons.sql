-- +goose Up

-- A branch that is built at set times. While it is active next_run is when it is due next.
CREATE TABLE crons (
  id {{pk}},
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  branch TEXT NOT NULL,
  every TEXT NOT NULL, -- daily, weekly, monthly; empty: schedule
  schedule TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  skip_if_recent BOOLEAN NOT NULL,
  active BOOLEAN NOT NULL DEFAULT TRUE,
  reason TEXT NOT NULL DEFAULT '',
  created_by BIGINT NOT NULL,
  created_at {{timestamp}} NOT NULL,
  first_run {{timestamp}} NOT NULL,
  next_run {{timestamp}} NOT NULL,
  UNIQUE (repository_id, branch)
);
CREATE INDEX crons_due ON crons (next_run) WHERE active;

-- A row per time at which a cron was due: who writes it has made the request, in the same transaction, and nobody else can.
CREATE TABLE cron_runs (
  cron_id BIGINT NOT NULL REFERENCES crons (id) ON DELETE CASCADE,
  due_at {{timestamp}} NOT NULL,
  at {{timestamp}} NOT NULL,
  outcome TEXT NOT NULL,
  request_id BIGINT NOT NULL, -- 0: none
  PRIMARY KEY (cron_id, due_at)
);
CREATE INDEX cron_runs_of_request ON cron_runs (request_id) WHERE request_id <> 0;
