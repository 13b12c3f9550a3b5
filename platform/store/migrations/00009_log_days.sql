-- +goose Up

-- The parts and chunks of a log lie with those of other logs that began on the same day (counted from 1970), so that a day
-- can be dropped as a whole. On PostgreSQL each day is a table of its own; what is of no such table is in the default one.
ALTER TABLE logs ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN loose BOOLEAN NOT NULL DEFAULT FALSE; -- it has rows in log_parts
ALTER TABLE logs ADD COLUMN chunks INTEGER NOT NULL DEFAULT 0; -- rows in log_chunks
ALTER TABLE logs ADD COLUMN held TEXT NOT NULL DEFAULT ''; -- sealed: the end of what the worker wrote that may begin a secret
CREATE INDEX logs_loose ON logs (job_id, attempt) WHERE loose AND closed;

-- Logs of this day and the days before were removed because their time was over.
CREATE TABLE log_removals (
  day INTEGER PRIMARY KEY,
  removed_at {{timestamp}} NOT NULL
);

-- Parts that follow one another, compressed together, of logs that nobody writes any more.
CREATE TABLE log_chunks (
  job_id BIGINT NOT NULL,
  attempt INTEGER NOT NULL,
  source INTEGER NOT NULL,
  first INTEGER NOT NULL, -- the number of its first part
  until INTEGER NOT NULL, -- the number behind its last part
  day INTEGER NOT NULL,
  lines_before BIGINT NOT NULL, -- in its source
  size INTEGER NOT NULL, -- of the text
  parts {{bytes}} NOT NULL, -- see package logchunk
  content {{bytes}} NOT NULL,
  PRIMARY KEY (job_id, attempt, source, first, day)
) {{by day}};

{{only postgres}}
UPDATE logs l SET day = floor(extract(epoch FROM l.updated_at) / 86400)::int,
  loose = EXISTS (SELECT 1 FROM log_parts p WHERE p.job_id = l.job_id AND p.attempt = l.attempt);

ALTER TABLE log_parts RENAME TO log_parts_before;
ALTER INDEX log_parts_pkey RENAME TO log_parts_before_pkey;
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
  day INTEGER NOT NULL,
  sealed BOOLEAN NOT NULL DEFAULT FALSE, -- the content: it is beyond a gap, so its secrets cannot be told yet
  content {{bytes}} NOT NULL,
  PRIMARY KEY (job_id, attempt, source, number, day)
) PARTITION BY RANGE (day);
CREATE TABLE log_parts_default PARTITION OF log_parts DEFAULT;
CREATE TABLE log_chunks_default PARTITION OF log_chunks DEFAULT;
ALTER TABLE log_chunks ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE log_chunks ALTER COLUMN parts SET STORAGE EXTERNAL;

-- +goose StatementBegin
DO $$
DECLARE
  d INTEGER;
BEGIN
  FOR d IN SELECT DISTINCT day FROM logs WHERE loose ORDER BY day LOOP
    EXECUTE format('CREATE TABLE log_parts_%s PARTITION OF log_parts FOR VALUES FROM (%s) TO (%s)',
      to_char(DATE '1970-01-01' + d, 'YYYYMMDD'), d, d + 1);
  END LOOP;
END $$;
-- +goose StatementEnd

INSERT INTO log_parts (job_id, attempt, source, number, lines_before, lines, size, final, elapsed, stored_at, day, content)
  SELECT p.job_id, p.attempt, p.source, p.number, p.lines_before, p.lines, p.size, p.final, p.elapsed, p.stored_at, l.day, p.content
  FROM log_parts_before p JOIN logs l ON l.job_id = p.job_id AND l.attempt = p.attempt;
DROP TABLE log_parts_before;
{{end}}

{{only sqlite}}
UPDATE logs SET day = CAST(strftime('%s', updated_at) AS INTEGER) / 86400,
  loose = EXISTS (SELECT 1 FROM log_parts p WHERE p.job_id = logs.job_id AND p.attempt = logs.attempt);
ALTER TABLE log_parts ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log_parts ADD COLUMN sealed BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE log_parts SET day = (SELECT day FROM logs l WHERE l.job_id = log_parts.job_id AND l.attempt = log_parts.attempt)
  WHERE EXISTS (SELECT 1 FROM logs l WHERE l.job_id = log_parts.job_id AND l.attempt = log_parts.attempt);
CREATE INDEX log_chunks_of_day ON log_chunks (day);
{{end}}
