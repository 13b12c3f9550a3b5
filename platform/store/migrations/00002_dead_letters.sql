-- +goose Up

-- Messages that nothing could be made of. Their number is bounded when one is added.
CREATE TABLE dead_letters (
  id {{pk}},
  fingerprint {{bytes}} NOT NULL UNIQUE, -- of queue, type, headers and the whole body
  queue TEXT NOT NULL,
  type TEXT NOT NULL,
  content_type TEXT NOT NULL,
  headers {{json}} NOT NULL,
  body {{bytes}} NOT NULL,
  size BIGINT NOT NULL, -- of the whole body
  whole BOOLEAN NOT NULL,
  reason TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 1,
  first_at {{timestamp}} NOT NULL,
  last_at {{timestamp}} NOT NULL,
  requeue_at {{timestamp}} -- when it is to be sent again; NULL: nobody asked
);
CREATE INDEX dead_letters_by_age ON dead_letters (last_at, id);
CREATE INDEX dead_letters_to_send ON dead_letters (requeue_at) WHERE requeue_at IS NOT NULL;
