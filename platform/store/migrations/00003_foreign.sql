-- +goose Up

-- What workers that do not claim show when they ask for the script of a job. One row, made when it is first asked for.
CREATE TABLE script_token (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL
);

-- An unclaimed run is one of a worker that does not claim: it was learnt from its first report. offer is the attempt whose
-- message the run was given, which is an earlier one where the broker delivered that message again.
ALTER TABLE attempts ADD COLUMN unclaimed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE attempts ADD COLUMN offer INTEGER NOT NULL DEFAULT 0;
