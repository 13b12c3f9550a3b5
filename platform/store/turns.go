package store

import (
	"context"
	"database/sql"
	"math"
	"slices"
)

// candidate is a job that may be queued.
type candidate struct{ job, build int64 }

// taker is a repository that waits for its turn.
type taker struct {
	repository int64
	underWay   int   // jobs of it that are with the broker or a worker, and those picked
	oldest     int64 // its job that is next
}

const waiting = "queue = $1 AND priority = $2 AND state = 'created' AND ready"

// pickFrom chooses up to n jobs of a queue: by priority, then in turn between the repositories, the one with the fewest
// jobs under way first, then the oldest. It looks at what it takes and at each repository, not at all that waits.
func pickFrom(ctx context.Context, c conn, queue string, n int) ([]candidate, error) {
	picked := map[int64]int{}
	var all []candidate
	below := int64(math.MaxInt32)
	for len(all) < n {
		var priority sql.NullInt64
		err := c.row(ctx, "SELECT max(priority) FROM jobs WHERE queue = $1 AND priority < $2 AND state = 'created' AND ready", queue, below).Scan(&priority)
		if err != nil || !priority.Valid {
			return all, err
		}
		next, err := pickInTurn(ctx, c, queue, priority.Int64, n-len(all), picked)
		if err != nil {
			return nil, err
		}
		all = append(all, next...)
		below = priority.Int64
	}
	return all, nil
}

// pickInTurn chooses up to n jobs of one priority. picked counts those of each repository.
func pickInTurn(ctx context.Context, c conn, queue string, priority int64, n int, picked map[int64]int) ([]candidate, error) {
	takers, err := list(ctx, c, func(row scanner) (t taker, err error) {
		err = row.Scan(&t.repository, &t.oldest, &t.underWay)
		return t, err
	}, `WITH RECURSIVE w (repository_id) AS (SELECT min(repository_id) FROM jobs WHERE `+waiting+`
			UNION ALL SELECT (SELECT min(repository_id) FROM jobs WHERE `+waiting+` AND repository_id > w.repository_id)
				FROM w WHERE w.repository_id IS NOT NULL)
		SELECT w.repository_id, (SELECT min(id) FROM jobs WHERE `+waiting+` AND repository_id = w.repository_id),
			(SELECT count(*) FROM jobs WHERE queue = $1 AND `+underWay+` AND repository_id = w.repository_id)
		FROM w WHERE w.repository_id IS NOT NULL`, queue, priority)
	if err != nil {
		return nil, err
	}
	for i := range takers {
		takers[i].underWay += picked[takers[i].repository]
	}
	jobs := map[int64][]candidate{}
	var all []candidate
	for len(all) < n && len(takers) > 0 {
		first := 0
		for i := range takers {
			if takers[i].before(takers[first]) {
				first = i
			}
		}
		t := &takers[first]
		if jobs[t.repository] == nil {
			if jobs[t.repository], err = oldestOf(ctx, c, queue, priority, t.repository, n-len(all)); err != nil {
				return nil, err
			}
		}
		own := jobs[t.repository]
		all = append(all, own[0])
		picked[t.repository]++
		t.underWay++
		if jobs[t.repository] = own[1:]; len(own) == 1 {
			takers = slices.Delete(takers, first, first+1)
			continue
		}
		t.oldest = own[1].job
	}
	return all, nil
}

// before reports whether it is t's turn before the other's.
func (t taker) before(other taker) bool {
	if t.underWay != other.underWay {
		return t.underWay < other.underWay
	}
	return t.oldest < other.oldest
}

func oldestOf(ctx context.Context, c conn, queue string, priority, repository int64, n int) ([]candidate, error) {
	return list(ctx, c, func(row scanner) (v candidate, err error) {
		err = row.Scan(&v.job, &v.build)
		return v, err
	}, "SELECT id, build_id FROM jobs WHERE "+waiting+" AND repository_id = $3 ORDER BY id LIMIT $4", queue, priority, repository, n)
}
