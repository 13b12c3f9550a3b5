-- +goose Up

-- What a repository builds, and how much of it at a time.
ALTER TABLE repositories ADD COLUMN build_pushes BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE repositories ADD COLUMN build_pull_requests BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE repositories ADD COLUMN most_jobs INTEGER NOT NULL DEFAULT 0; -- queued or with a worker, 0: no limit
ALTER TABLE repositories ADD COLUMN cancel_pushes BOOLEAN NOT NULL DEFAULT FALSE; -- that wait, when a newer one comes
ALTER TABLE repositories ADD COLUMN cancel_pull_requests BOOLEAN NOT NULL DEFAULT FALSE;

-- A paused queue hands out nothing.
ALTER TABLE queues ADD COLUMN most_jobs INTEGER NOT NULL DEFAULT 0; -- queued or with a worker, 0: no limit
ALTER TABLE queues ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE queues ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';
ALTER TABLE queues ADD COLUMN paused_at {{timestamp}};

-- What is under way is little and asked for all the time; what waits may be much, and must not lie in between.
DROP INDEX jobs_going_on;
CREATE INDEX jobs_under_way ON jobs (queue, state, repository_id) WHERE state IN ('queued', 'received', 'started');
CREATE INDEX jobs_created ON jobs (queue) WHERE state = 'created';
