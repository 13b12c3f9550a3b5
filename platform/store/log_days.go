package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The content of logs lies by the day, in UTC, on which the log began; [logRow] says which. All parts of a log have the same
// day, so that a part which comes twice meets itself. On PostgreSQL a day is a table of its own that is made ahead and
// dropped as a whole; what is of a day without one goes into the default table.

// logDayLock is the key of the advisory lock, of the transaction, under which one node at a time makes and drops days.
const logDayLock = 0x6865616472616379

// daysAhead is how many days are made ahead.
const daysAhead = 2

// logDayWait bounds how long the change of a day waits for readers and writers: others wait behind it.
const logDayWait = "2s"

// dayOf counts the days from 1970.
func dayOf(t time.Time) int { return int(t.Unix() / (24 * 60 * 60)) }

// logTables are partitioned by day.
func logTables() []string { return []string{"log_parts", "log_chunks"} }

// dayTable is the name of the table of a day.
func dayTable(table string, day int) string {
	return table + "_" + time.Unix(int64(day)*24*60*60, 0).UTC().Format("20060102")
}

// dayIn is the day of a table's name; the default table has none.
func dayIn(table string) (day int, ok bool) {
	at := strings.LastIndexByte(table, '_') + 1
	t, err := time.Parse("20060102", table[at:])
	return dayOf(t), err == nil
}

// changeDays runs f, which makes or drops tables, unless another node is at it.
func (s *Store) changeDays(ctx context.Context, what string, f func(context.Context, conn) error) error {
	return s.write(ctx, what, func(ctx context.Context, c conn) error {
		var first bool
		if err := c.row(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(logDayLock)).Scan(&first); err != nil || !first {
			return err
		}
		if _, err := c.exec(ctx, "SET LOCAL lock_timeout = '"+logDayWait+"'"); err != nil {
			return err
		}
		return f(ctx, c)
	})
}

// MakeLogDays makes the tables of today and the days to come. What of such a day is in the default table moves.
func (s *Store) MakeLogDays(ctx context.Context) error {
	if s.dialect.name != Postgres {
		return nil
	}
	have, err := s.dayTables(ctx)
	if err != nil {
		return err
	}
	today := dayOf(s.Now())
	for _, table := range logTables() {
		for day := today; day <= today+daysAhead; day++ {
			if have[dayTable(table, day)] {
				continue
			}
			err := s.changeDays(ctx, "make the table of a day's logs", func(ctx context.Context, c conn) error { return makeDay(ctx, c, table, day) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// dayTables are the names of the tables of days.
func (s *Store) dayTables(ctx context.Context) (names map[string]bool, err error) {
	err = s.read(ctx, "find the tables of logs", func(ctx context.Context, c conn) error {
		all, err := list(ctx, c, func(row scanner) (name string, err error) {
			err = row.Scan(&name)
			return name, err
		}, `SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent IN ('log_parts'::regclass, 'log_chunks'::regclass)`)
		names = make(map[string]bool, len(all))
		for _, name := range all {
			names[name] = true
		}
		return err
	})
	return names, err
}

// makeDay makes the table apart and then attaches it, for which nobody need stop reading or writing the others.
func makeDay(ctx context.Context, c conn, table string, day int) error {
	name, rest := dayTable(table, day), table+"_default"
	var there bool
	if err := c.row(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil || there {
		return err
	}
	from, to := strconv.Itoa(day), strconv.Itoa(day+1)
	for _, statement := range []string{
		"CREATE TABLE " + name + " (LIKE " + table + " INCLUDING DEFAULTS INCLUDING STORAGE)",
		"LOCK TABLE " + rest + " IN ACCESS EXCLUSIVE MODE",
		"WITH moved AS (DELETE FROM " + rest + " WHERE day = " + from + " RETURNING *) INSERT INTO " + name + " SELECT * FROM moved",
		"ALTER TABLE " + table + " ATTACH PARTITION " + name + " FOR VALUES FROM (" + from + ") TO (" + to + ")",
	} {
		if _, err := c.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// RemoveLogs removes the content of logs that began more than so many days ago, as whole days; a log that is not closed yet
// moves to today. With 0 days nothing is removed. The tables of days gone by whose logs are all compacted are dropped.
func (s *Store) RemoveLogs(ctx context.Context, days int) error {
	if days > 0 {
		if err := s.passLogDay(ctx, dayOf(s.Now())-days-1); err != nil {
			return err
		}
	}
	last, err := s.lastDayRemoved(ctx)
	if err != nil {
		return err
	}
	if s.dialect.name != Postgres {
		return s.sweepDays(ctx, last)
	}
	return s.dropDays(ctx, last)
}

// passLogDay says that the logs of a day and of those before are removed.
func (s *Store) passLogDay(ctx context.Context, day int) error {
	last, err := s.lastDayRemoved(ctx)
	if err != nil || last >= day {
		return err
	}
	if err := s.moveOpenLogs(ctx, day); err != nil {
		return err
	}
	return s.write(ctx, "remove the logs of a day", func(ctx context.Context, c conn) error {
		_, err := c.exec(ctx, "INSERT INTO log_removals (day, removed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", day, at(s.Now()))
		return err
	})
}

func (s *Store) lastDayRemoved(ctx context.Context) (day int, err error) {
	err = s.read(ctx, "find the logs that were removed", func(ctx context.Context, c conn) error {
		return c.row(ctx, "SELECT COALESCE(max(day), -1) FROM log_removals").Scan(&day)
	})
	return day, err
}

// moveOpenLogs lets logs that began on a day, or before, and are still written count as begun today.
func (s *Store) moveOpenLogs(ctx context.Context, day int) error {
	for {
		var open []attemptKey
		err := s.write(ctx, "keep the logs that are still written", func(ctx context.Context, c conn) (err error) {
			open, err = list(ctx, c, scanAttemptKey, "SELECT job_id, attempt FROM logs WHERE NOT closed AND day <= $1 ORDER BY job_id, attempt LIMIT 50 {{lock}}", day)
			if err != nil {
				return err
			}
			today := dayOf(s.Now())
			for _, key := range open {
				for _, table := range append(logTables(), "logs") {
					if _, err := c.exec(ctx, "UPDATE "+table+" SET day = $3 WHERE job_id = $1 AND attempt = $2", key.job, key.number, today); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil || len(open) == 0 {
			return err
		}
	}
}

// dropDays drops the tables of the days up to the last one, and of parts those of days gone by that are empty.
func (s *Store) dropDays(ctx context.Context, last int) error {
	have, err := s.dayTables(ctx)
	if err != nil {
		return err
	}
	var failed error
	for name := range have {
		day, ok := dayIn(name)
		if !ok || day >= dayOf(s.Now())-1 && day > last {
			continue
		}
		err := s.changeDays(ctx, "drop the table of a day's logs", func(ctx context.Context, c conn) error {
			return dropDay(ctx, c, name, day <= last)
		})
		failed = errors.Join(failed, err)
	}
	if failed != nil || last < 0 {
		return failed
	}
	return s.changeDays(ctx, "remove the logs of days without a table", func(ctx context.Context, c conn) error {
		for _, table := range logTables() {
			if _, err := c.exec(ctx, "DELETE FROM "+table+"_default WHERE day <= $1", last); err != nil {
				return err
			}
		}
		_, err := c.exec(ctx, "UPDATE logs SET loose = FALSE WHERE loose AND closed AND day <= $1", last)
		return err
	})
}

// dropDay drops the table of a day; one whose time is not over only if it holds parts, and none are left.
func dropDay(ctx context.Context, c conn, name string, over bool) error {
	var there, used bool
	if err := c.row(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil || !there {
		return err
	}
	if !over {
		if !strings.HasPrefix(name, "log_parts_") {
			return nil
		}
		if _, err := c.exec(ctx, "LOCK TABLE "+name+" IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		if err := c.row(ctx, "SELECT EXISTS (SELECT 1 FROM "+name+")").Scan(&used); err != nil || used {
			return err
		}
	}
	_, err := c.exec(ctx, "DROP TABLE "+name)
	return err
}

// sweepDays deletes on SQLite, which has no tables of days, a little at a time: there is one writer.
func (s *Store) sweepDays(ctx context.Context, last int) error {
	const some = 64
	for more := last >= 0; more; {
		err := s.write(ctx, "remove the logs of days", func(ctx context.Context, c conn) error {
			chunks, err := c.exec(ctx, "DELETE FROM log_chunks WHERE rowid IN (SELECT rowid FROM log_chunks WHERE day <= $1 LIMIT $2)", last, some)
			if err != nil {
				return err
			}
			loose, err := list(ctx, c, scanAttemptKey, "SELECT job_id, attempt FROM logs WHERE loose AND closed AND day <= $1 LIMIT $2", last, some)
			if err != nil {
				return err
			}
			for _, key := range loose {
				if _, err := c.exec(ctx, "DELETE FROM log_parts WHERE job_id = $1 AND attempt = $2", key.job, key.number); err != nil {
					return err
				}
				if _, err := c.exec(ctx, "UPDATE logs SET loose = FALSE WHERE job_id = $1 AND attempt = $2", key.job, key.number); err != nil {
					return err
				}
			}
			more = chunks > 0 || len(loose) > 0
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
