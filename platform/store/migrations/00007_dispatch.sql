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
