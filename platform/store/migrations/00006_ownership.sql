-- +goose Up

-- What waits to be done, or to be done again, has the same three columns: tries, until and last_error. Before "until" nobody
-- takes it: it is leased, or its next try is not due.
ALTER TABLE outbox RENAME COLUMN due_at TO until;
ALTER TABLE requests RENAME COLUMN next_try_at TO until;
UPDATE requests SET until = leased_until WHERE leased_until > until;
ALTER TABLE requests DROP COLUMN leased_until;
ALTER TABLE requests ADD COLUMN last_error TEXT NOT NULL DEFAULT '';
UPDATE requests SET last_error = reason, reason = '' WHERE state = 'pending';

-- Hearing runs by the clocks of the nodes that count time as it passes, not by that of the database. raw counts all the time in
-- which workers could be heard; the counter counts only what of it is beyond settled.
ALTER TABLE hearing ADD COLUMN raw BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hearing ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hearing DROP COLUMN settled_at;

-- The number of the last heartbeat stored: of several nodes that hear the same one, the first stores it.
ALTER TABLE workers ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;

-- The hearing counter when an attempt ended, and when something was last added to its log by the worker.
ALTER TABLE attempts ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN heard BIGINT NOT NULL DEFAULT 0;
