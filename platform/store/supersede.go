package store

import (
	"context"

	"github.com/headrace/headrace/platform/ci"
)

// supersede cancels the builds of the same branch, or of the same pull request, that a new build takes the place of, where the
// settings of the repository say so: those of which no job has begun.
func (s *Store) supersede(ctx context.Context, c conn, id int64, n ci.NewBuild) (moved []ci.Moved, err error) {
	settings, err := findSettings(ctx, c, n.RepositoryID)
	if err != nil {
		return nil, err
	}
	w := &where{}
	w.and("repository_id = ?", n.RepositoryID)
	w.and("id < ?", id)
	w.and("state IN ('created', 'queued')")
	w.and("event = ?", n.Event)
	switch {
	case n.Event == ci.EventPush && settings.CancelPushes && n.Tag == "":
		w.and("branch = ?", text(n.Branch))
		w.and("tag = ''")
	case n.Event == ci.EventPullRequest && settings.CancelPullRequests && n.PullRequest != nil:
		w.and("pull_number = ?", n.PullRequest.Number)
	default:
		return nil, nil
	}
	older, err := list(ctx, c, scanID, "SELECT id FROM builds"+w.String()+" ORDER BY id", w.args...)
	if err != nil {
		return nil, err
	}
	for _, id := range older {
		some, err := s.supersedeBuild(ctx, c, id)
		if err != nil {
			return nil, err
		}
		moved = append(moved, some...)
	}
	return moved, nil
}

// supersedeBuild cancels a build of which still no job has begun.
func (s *Store) supersedeBuild(ctx context.Context, c conn, id int64) ([]ci.Moved, error) {
	h, err := s.hold(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if h.build.State != ci.Created && h.build.State != ci.Queued {
		return nil, nil
	}
	var indexes []int
	for i, j := range h.jobs {
		if j.State.Final() {
			continue
		}
		if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonSuperseded}); err != nil {
			return nil, err
		}
		indexes = append(indexes, i)
	}
	if err := h.save(ctx); err != nil {
		return nil, err
	}
	return h.movedAll(indexes), nil
}
