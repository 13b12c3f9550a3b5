package main

import (
	"context"
	"fmt"
	"time"
)

// measureManyBuilds measures the same things with 10^4, 10^5 and 10^6 builds in one repository.
func measureManyBuilds(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.manyBuilds(ctx, "builds", 1)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var sha string
	if err := h.db.QueryRowContext(ctx, "SELECT sha FROM commits LIMIT 1").Scan(&sha); err != nil {
		return nil, err
	}
	var all, lists, triggers []figure
	for _, n := range []int{o.n(10_000, 100), o.n(100_000, 1000), o.n(1_000_000, 10_000)} {
		var there int
		if err := h.db.QueryRowContext(ctx, "SELECT count(*) FROM builds").Scan(&there); err != nil {
			return all, err
		}
		_, _ = fmt.Fprintf(r.stderr, "  %d builds\n", n)
		if err := multiply(ctx, h.db, n-there); err != nil {
			return all, err
		}
		list, err := h.list(ctx, n, time.Duration(o.n(5000, 300))*time.Millisecond)
		if err != nil {
			return all, err
		}
		fields := map[string]any{"branch": "main", "sha": sha, "config": trivial, "merge_mode": "replace"}
		trigger, err := h.triggers(ctx, "trigger answered -> started at "+number(float64(n))+" builds", "no worse than 1.5 x", fields, o.n(50, 5))
		if err != nil {
			return all, err
		}
		lists, triggers = append(lists, list), append(triggers, trigger)
	}
	compare(lists)
	compare(triggers)
	for i := range lists {
		all = append(all, lists[i], triggers[i])
	}
	return all, nil
}

// compare notes how the last figure stands beside the first.
func compare(list []figure) {
	first, last := list[0].Amounts[0].Value, list[len(list)-1].Amounts[0].Value
	if first == 0 || last == 0 {
		return
	}
	worse := last / first // of a duration
	if list[0].Amounts[0].Unit == "/s" {
		worse = first / last
	}
	f := &list[len(list)-1]
	f.Notes = append(f.Notes, fmt.Sprintf("%s x as bad as the first of its kind", number(worse)))
}

// measureManyWorkers measures trivial jobs with 10, 100 and 1,000 simulated workers of one slot each.
func measureManyWorkers(ctx context.Context, r *rig, o options) ([]figure, error) {
	var all []figure
	for _, workers := range []int{10, o.n(100, 20), o.n(1000, 30)} {
		_, _ = fmt.Fprintf(r.stderr, "  %d workers\n", workers)
		f, err := r.manyWorkers(ctx, workers, o.n(2000, 20))
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	compare(all)
	return all, nil
}

func (r *rig) manyWorkers(ctx context.Context, workers, jobs int) (figure, error) {
	name := fmt.Sprintf("workers%d", workers)
	h, err := r.house(ctx, name)
	if err != nil {
		return figure{}, err
	}
	defer h.close()
	sha, err := h.repository(ctx, "acme/app", trivial)
	if err != nil {
		return figure{}, err
	}
	stop, err := simulate(ctx, h.amqp, workers)
	if err != nil {
		return figure{}, err
	}
	defer stop()
	err = until(ctx, "all workers are known", func(ctx context.Context) (bool, error) {
		var n int
		err := h.db.QueryRowContext(ctx, "SELECT count(*) FROM workers").Scan(&n)
		return n == workers, err
	})
	if err != nil {
		return figure{}, err
	}
	if err := h.build(ctx, map[string]any{"branch": "main"}); err != nil {
		return figure{}, err
	}
	took, asked, err := h.askAll(ctx, sha, jobs)
	if err != nil {
		return figure{}, err
	}
	c, err := h.checkJobs(ctx, jobs)
	if err != nil {
		return figure{}, err
	}
	c.add(asked.checks)
	return c.figure("trivial jobs with "+number(float64(workers))+" simulated workers", "no worse than 1.5 x", "requests and jobs with their logs",
		[]string{rawCommits, rawMessages}, perSecond(jobs, took, "/s")), nil
}
