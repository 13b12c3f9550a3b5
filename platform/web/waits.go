package web

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/platform/ci"
)

func waits(j ci.Job) bool { return j.State == ci.Created || j.State == ci.Queued }

// waitsOf says of the jobs of a build why they have not begun.
func (s *server) waitsOf(ctx context.Context, b ci.Build) (map[int64]ci.Wait, error) {
	var ids []int64
	for _, j := range b.Jobs {
		if waits(j) {
			ids = append(ids, j.ID)
		}
	}
	return s.Store.WhyWaiting(ctx, ids...)
}

// whyFirst says what the first job of a build that has not begun waits for; empty where nothing holds it.
func whyFirst(b ci.Build, all map[int64]ci.Wait) string {
	if b.State != ci.Created && b.State != ci.Queued {
		return ""
	}
	for _, j := range b.Jobs { // in the order of their stages: the first one's turn has come
		if waits(j) && all[j.ID].Held() {
			return all[j.ID].Text()
		}
		if waits(j) {
			return ""
		}
	}
	return ""
}

// whyBuilds says of builds that have not begun what their first jobs wait for, by the ids of the builds.
func (s *server) whyBuilds(ctx context.Context, builds ...ci.Build) (map[int64]string, error) {
	var waiters []ci.Build
	var ids []int64
	for _, b := range builds {
		if b.State != ci.Created && b.State != ci.Queued {
			continue
		}
		if b.Jobs == nil {
			var err error
			b.Jobs, _, err = s.Store.Jobs(ctx, ci.JobFilter{BuildID: b.ID, States: []ci.State{ci.Created, ci.Queued}, SkipCount: true, Page: ci.Page{Limit: 1}})
			if err != nil {
				return nil, err
			}
		}
		waiters = append(waiters, b)
		for _, j := range b.Jobs {
			if waits(j) {
				ids = append(ids, j.ID)
				break
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	all, err := s.Store.WhyWaiting(ctx, ids...)
	if err != nil {
		return nil, err
	}
	why := map[int64]string{}
	for _, b := range waiters {
		why[b.ID] = whyFirst(b, all)
	}
	return why, nil
}

// canGoFirst says whether one of the jobs waits that was not put first, and whether all that wait were.
func canGoFirst(jobs []ci.Job) (can, first bool) {
	for _, j := range jobs {
		if waits(j) {
			can, first = can || j.Priority == 0, first || j.Priority > 0
		}
	}
	return can, first && !can
}

func (s *server) prioritizeBuild(c *gin.Context, _ ci.User, repo ci.Repository, at place) error {
	b, err := s.buildOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	return s.act(c, "first", "Build #"+at.arg, buildHref(repo.Slug, b.Number), func() error { return s.Dispatch.PrioritizeBuild(c.Request.Context(), b.ID) })
}

func (s *server) prioritizeJob(c *gin.Context, _ ci.User, repo ci.Repository, at place) error {
	_, j, err := s.jobOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	return s.act(c, "first", "Job "+j.Number(), jobHref(j), func() error { return s.Dispatch.PrioritizeJob(c.Request.Context(), j.ID) })
}
