package store

import (
	"context"
	"sync"
	"testing"

	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
)

func TestWrite_whoLosesAgainstAnotherTriesAgain(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{PostgresURL: testkit.Postgres(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is lost by it
	var ids []int64
	for _, login := range []string{"a", "b"} {
		u, err := s.CreateUser(t.Context(), ci.NewUser{Login: login})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	var both, group sync.WaitGroup
	both.Add(2)
	tries := make([]int, 2)
	for i := range 2 {
		group.Go(func() {
			err := s.write(t.Context(), "lock each other out", func(ctx context.Context, c conn) error {
				tries[i]++
				if _, err := c.exec(ctx, "UPDATE users SET name = name || 'x' WHERE id = $1", ids[i]); err != nil {
					return err
				}
				if tries[i] == 1 {
					both.Done()
					both.Wait()
				}
				_, err := c.exec(ctx, "UPDATE users SET name = name || 'y' WHERE id = $1", ids[1-i])
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if tries[0]+tries[1] < 3 { // more where the loser meets the winner a second time
		t.Errorf("tries %v, want three at least", tries)
	}
	all, err := s.Users(t.Context())
	if err != nil || len(all[0].Name) != 2 || len(all[1].Name) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
}
