-- +goose Up

CREATE TABLE users (
  id {{pk}},
  login TEXT NOT NULL,
  login_key TEXT NOT NULL UNIQUE, -- the login in lower case
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  admin BOOLEAN NOT NULL,
  password_hash TEXT NOT NULL,
  session_epoch BIGINT NOT NULL DEFAULT 0, -- sessions of an earlier one are over
  created_at {{timestamp}} NOT NULL
);

CREATE TABLE tokens (
  id {{pk}},
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  hash {{bytes}} NOT NULL UNIQUE,
  created_at {{timestamp}} NOT NULL,
  used_at {{timestamp}}
);
CREATE INDEX tokens_of_user ON tokens (user_id);

CREATE TABLE sessions (
  token TEXT PRIMARY KEY,
  data {{bytes}} NOT NULL,
  expires_at {{timestamp}} NOT NULL
);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE repositories (
  id {{pk}},
  slug TEXT NOT NULL,
  slug_key TEXT NOT NULL UNIQUE, -- the slug in lower case
  owner_key TEXT NOT NULL,
  source_url TEXT NOT NULL,
  default_branch TEXT NOT NULL,
  private BOOLEAN NOT NULL,
  active BOOLEAN NOT NULL,
  added_by BIGINT NOT NULL,
  last_number BIGINT NOT NULL DEFAULT 0, -- of the newest build
  last_build_id BIGINT NOT NULL DEFAULT 0,
  created_at {{timestamp}} NOT NULL,
  updated_at {{timestamp}} NOT NULL
);
CREATE INDEX repositories_by_owner ON repositories (owner_key);

CREATE TABLE stars (
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, repository_id)
);
CREATE INDEX stars_of_repository ON stars (repository_id);

CREATE TABLE requests (
  id {{pk}},
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  idempotency_key TEXT,
  event TEXT NOT NULL,
  branch TEXT NOT NULL,
  tag TEXT NOT NULL,
  sha TEXT NOT NULL,
  merge_mode TEXT NOT NULL,
  created_by BIGINT NOT NULL,
  state TEXT NOT NULL,
  result TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  next_try_at {{timestamp}} NOT NULL,
  leased_until {{timestamp}} NOT NULL, -- by its owner, while that works on it
  owner TEXT NOT NULL DEFAULT '',
  created_at {{timestamp}} NOT NULL,
  finished_at {{timestamp}},
  reason TEXT NOT NULL,
  message TEXT NOT NULL,
  messages {{json}} NOT NULL,
  config TEXT NOT NULL
);
CREATE UNIQUE INDEX requests_by_key ON requests (repository_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX requests_of_repository ON requests (repository_id, id);
CREATE INDEX requests_pending ON requests (id) WHERE state = 'pending';

CREATE TABLE commits (
  id {{pk}},
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  sha TEXT NOT NULL,
  ref TEXT NOT NULL,
  message TEXT NOT NULL,
  compare_url TEXT NOT NULL,
  author_name TEXT NOT NULL,
  author_email TEXT NOT NULL,
  committed_at {{timestamp}}
);
CREATE INDEX commits_of_repository ON commits (repository_id);

CREATE TABLE builds (
  id {{pk}},
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  request_id BIGINT NOT NULL UNIQUE REFERENCES requests (id) ON DELETE CASCADE,
  commit_id BIGINT NOT NULL REFERENCES commits (id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  state TEXT NOT NULL,
  previous_state TEXT NOT NULL,
  event TEXT NOT NULL,
  branch TEXT NOT NULL,
  tag TEXT NOT NULL,
  pull_number BIGINT NOT NULL DEFAULT 0,
  pull_title TEXT NOT NULL DEFAULT '',
  fast_finish BOOLEAN NOT NULL,
  created_by BIGINT NOT NULL,
  created_at {{timestamp}} NOT NULL,
  started_at {{timestamp}},
  finished_at {{timestamp}},
  updated_at {{timestamp}} NOT NULL,
  UNIQUE (repository_id, number)
);
CREATE INDEX builds_of_repository ON builds (repository_id, id);
CREATE INDEX builds_of_branch ON builds (repository_id, branch, id);
CREATE INDEX builds_of_commit ON builds (commit_id);
CREATE INDEX builds_of_user ON builds (created_by, id);
CREATE INDEX builds_going_on ON builds (repository_id) WHERE state IN ('created', 'queued', 'received', 'started');

-- What only the page of one build shows; it never changes and stays out of the row that does.
CREATE TABLE build_configs (
  build_id BIGINT PRIMARY KEY REFERENCES builds (id) ON DELETE CASCADE,
  messages {{json}} NOT NULL,
  config {{json}} NOT NULL,
  config_text TEXT NOT NULL
);

CREATE TABLE branches (
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  last_build_id BIGINT NOT NULL,
  PRIMARY KEY (repository_id, name)
);
CREATE INDEX branches_by_build ON branches (repository_id, last_build_id);

CREATE TABLE stages (
  id {{pk}},
  build_id BIGINT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at {{timestamp}},
  finished_at {{timestamp}},
  UNIQUE (build_id, number)
);

CREATE TABLE jobs (
  id {{pk}},
  repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  build_id BIGINT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
  build_number BIGINT NOT NULL,
  position INTEGER NOT NULL, -- from 1 in the build
  stage_id BIGINT NOT NULL, -- 0 without stages, as stage_number
  stage_number INTEGER NOT NULL,
  stage_name TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'created',
  reason TEXT NOT NULL DEFAULT '',
  allow_failure BOOLEAN NOT NULL,
  ready BOOLEAN NOT NULL, -- its stage is open
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 1,
  tries INTEGER NOT NULL DEFAULT 1, -- attempts since the last restart
  run TEXT NOT NULL DEFAULT '',
  worker_name TEXT NOT NULL DEFAULT '',
  exit_code INTEGER,
  created_at {{timestamp}} NOT NULL,
  queued_at {{timestamp}},
  received_at {{timestamp}},
  started_at {{timestamp}},
  finished_at {{timestamp}},
  updated_at {{timestamp}} NOT NULL,
  restarted_at {{timestamp}},
  restarted_by TEXT NOT NULL DEFAULT '',
  canceled_by TEXT NOT NULL DEFAULT '',
  config {{json}} NOT NULL,
  UNIQUE (build_id, position)
);
CREATE INDEX jobs_of_repository ON jobs (repository_id, id);
CREATE INDEX jobs_waiting ON jobs (queue, priority, repository_id, id) WHERE state = 'created' AND ready;
CREATE INDEX jobs_going_on ON jobs (queue, state, repository_id) WHERE state IN ('created', 'queued', 'received', 'started');

CREATE TABLE attempts (
  job_id BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  run TEXT NOT NULL DEFAULT '',
  worker_id TEXT NOT NULL DEFAULT '',
  worker_name TEXT NOT NULL DEFAULT '',
  exit_code INTEGER,
  heard BIGINT NOT NULL DEFAULT 0, -- the hearing counter when its worker was last heard
  queued_at {{timestamp}},
  received_at {{timestamp}},
  started_at {{timestamp}},
  finished_at {{timestamp}},
  note TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job_id, number)
);
CREATE INDEX attempts_owned ON attempts (worker_id) WHERE state IN ('received', 'started');

CREATE TABLE outbox (
  id {{pk}},
  job_id BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  queue TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  created_at {{timestamp}} NOT NULL,
  due_at {{timestamp}} NOT NULL,
  sent_at {{timestamp}},
  body {{bytes}} NOT NULL
);
CREATE INDEX outbox_of_job ON outbox (job_id);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

-- One row per broker queue; who hands out its jobs holds it.
CREATE TABLE queues (
  name TEXT PRIMARY KEY
);

-- The hearing counter: for how long, in microseconds, workers could be heard.
CREATE TABLE hearing (
  id INTEGER PRIMARY KEY,
  counter BIGINT NOT NULL,
  heard_at {{timestamp}},
  settled_at {{timestamp}} -- until then nothing is added
);
INSERT INTO hearing (id, counter) VALUES (1, 0);

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  queue TEXT NOT NULL,
  slots INTEGER NOT NULL,
  draining BOOLEAN NOT NULL,
  executor TEXT NOT NULL,
  home TEXT NOT NULL,
  replaced BOOLEAN NOT NULL DEFAULT FALSE,
  heard BIGINT NOT NULL,
  first_at {{timestamp}} NOT NULL,
  seen_at {{timestamp}} NOT NULL
);
CREATE INDEX workers_of_queue ON workers (queue);
CREATE INDEX workers_of_home ON workers (home);

-- How far the log of an attempt is stored. Preface and epilogue are the platform's and have no gaps.
CREATE TABLE logs (
  job_id BIGINT NOT NULL,
  attempt INTEGER NOT NULL,
  preface_next INTEGER NOT NULL DEFAULT 0,
  preface_bytes BIGINT NOT NULL DEFAULT 0,
  preface_lines BIGINT NOT NULL DEFAULT 0,
  worker_next INTEGER NOT NULL DEFAULT 0, -- all parts before it are stored
  worker_bytes BIGINT NOT NULL DEFAULT 0,
  worker_lines BIGINT NOT NULL DEFAULT 0,
  worker_highest INTEGER NOT NULL DEFAULT -1, -- of the parts stored, also beyond a gap
  worker_last INTEGER NOT NULL DEFAULT -1, -- the final part, -1: not yet known
  epilogue_next INTEGER NOT NULL DEFAULT 0,
  epilogue_bytes BIGINT NOT NULL DEFAULT 0,
  epilogue_lines BIGINT NOT NULL DEFAULT 0,
  closed BOOLEAN NOT NULL DEFAULT FALSE,
  removed_by TEXT NOT NULL DEFAULT '',
  removed_at {{timestamp}},
  updated_at {{timestamp}} NOT NULL,
  PRIMARY KEY (job_id, attempt)
);
CREATE INDEX logs_open ON logs (job_id) WHERE NOT closed;

CREATE TABLE log_parts (
  job_id BIGINT NOT NULL,
  attempt INTEGER NOT NULL,
  source INTEGER NOT NULL,
  number INTEGER NOT NULL,
  lines_before BIGINT, -- in its source; NULL: beyond a gap
  lines INTEGER NOT NULL,
  size INTEGER NOT NULL,
  final BOOLEAN NOT NULL,
  elapsed BIGINT NOT NULL, -- microseconds
  stored_at {{timestamp}} NOT NULL,
  content {{bytes}} NOT NULL,
  PRIMARY KEY (job_id, attempt, source, number)
);
