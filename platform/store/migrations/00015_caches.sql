-- +goose Up

-- What jobs keep for those after them. The bytes are elsewhere: place says where (the id of a node whose disk has them, or a
-- bucket), blob under which name. address is where a node with them is reached, pin the key of a certificate that it made itself.
-- There is no foreign key: the bytes of a deleted repository have to be removed first.
CREATE TABLE caches (
  id {{pk}},
  repository_id BIGINT NOT NULL,
  branch TEXT NOT NULL,
  name TEXT NOT NULL,
  place TEXT NOT NULL,
  address TEXT NOT NULL,
  pin TEXT NOT NULL,
  blob TEXT NOT NULL UNIQUE,
  size BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  stored_at {{timestamp}} NOT NULL,
  used_at {{timestamp}} NOT NULL,
  UNIQUE (repository_id, branch, name)
);
CREATE INDEX caches_used ON caches (place, used_at);

-- Bytes that no cache has: those of one that was removed or replaced, and those that are being written. After due_at they are
-- removed by who can.
CREATE TABLE cache_trash (
  blob TEXT PRIMARY KEY,
  place TEXT NOT NULL,
  due_at {{timestamp}} NOT NULL
);
CREATE INDEX cache_trash_due ON cache_trash (place, due_at);
