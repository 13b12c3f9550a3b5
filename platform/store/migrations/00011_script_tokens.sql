-- +goose Up

-- What workers that do not claim show when they ask for the script of a job, numbered: the one with the highest number is
-- the present one; the one before it is taken until ends_at. The digest tells a token, the sealed text shows it.
DROP TABLE script_token;
CREATE TABLE script_tokens (
  number INTEGER PRIMARY KEY,
  digest TEXT NOT NULL,
  token_sealed TEXT NOT NULL,
  created_at {{timestamp}} NOT NULL,
  ends_at {{timestamp}}
);
