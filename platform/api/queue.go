package api

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (a *API) queueRoutes() []route {
	return []route{
		{http.MethodGet, "/queues", "queues#for_current_user", "queues", nil, 0, a.listQueues},
		{http.MethodGet, "/queue/:queue", "queue#find", "queue", nil, 0, a.findQueue},
		{http.MethodPatch, "/queue/:queue", "queue#update", "queue", []string{"queue.limit"}, 0, a.limitQueue},
		{http.MethodPost, "/queue/:queue/pause", "queue#pause", "queue", nil, 0, a.pauseQueue(true)},
		{http.MethodPost, "/queue/:queue/resume", "queue#resume", "queue", nil, 0, a.pauseQueue(false)},
		{http.MethodGet, "/queues/:queue/stats", "queue#stats", "queue", nil, 0, a.queueStats},
		{http.MethodPost, "/build/:build/priority", "build#priority", "build", nil, 0, a.prioritizeBuild},
		{http.MethodPost, "/job/:job/priority", "job#priority", "job", nil, 0, a.prioritizeJob},
	}
}

func (v *view) showQueue(q ci.QueueStatus) *object {
	o := v.object("queue", "/queue/"+q.Queue, standard).set("@permissions", permissions([]string{"read"}, nil).set("write", v.user.Admin))
	o.set("name", q.Queue).set("paused", q.Paused).set("paused_by", orNull(q.PausedBy)).set("paused_at", stamp(q.PausedAt)).set("limit", orNull(q.MaxJobs))
	o.set("created", q.Created).set("queued", q.Queued).set("started", q.Running)
	return o.set("workers", q.Workers).set("draining", q.Draining).set("trouble", q.Trouble).set("slots", q.Slots).set("free_slots", q.FreeSlots)
}

// listQueues answers GET /queues.
func (a *API) listQueues(ctx context.Context, c *call) (answer, error) {
	list, err := a.Store.Queues(ctx)
	if err != nil {
		return answer{}, err
	}
	v := a.view(c)
	shown := make([]*object, len(list))
	for i, q := range list {
		shown[i] = v.showQueue(q)
	}
	return ok(c.collection("queues", shown, len(shown)), nil)
}

// queue is the one that the path names.
func (a *API) queue(ctx context.Context, c *call) (ci.QueueStatus, error) {
	list, err := a.Store.Queues(ctx)
	if err != nil {
		return ci.QueueStatus{}, err
	}
	for _, q := range list {
		if q.Queue == c.params["queue"] {
			return q, nil
		}
	}
	return ci.QueueStatus{}, gone("queue")
}

// findQueue answers GET /queue/{name}.
func (a *API) findQueue(ctx context.Context, c *call) (answer, error) {
	q, err := a.queue(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(a.view(c).showQueue(q), nil)
}

// queueStats answers GET /queues/{name}/stats.
func (a *API) queueStats(ctx context.Context, c *call) (answer, error) {
	q, err := a.queue(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return ok(newObject("queue_stats").set("started", q.Running).set("queued", q.Created+q.Queued).set("queue_name", q.Queue), nil)
}

func onlyAdmins(c *call) error {
	if c.user.Admin {
		return nil
	}
	return about("queue", fault.New(fault.Forbidden, "Only administrators change queues."))
}

// limitQueue answers PATCH /queue/{name}.
func (a *API) limitQueue(ctx context.Context, c *call) (answer, error) {
	if err := onlyAdmins(c); err != nil {
		return answer{}, err
	}
	most, err := c.number("queue.limit", 0)
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.LimitQueue(ctx, c.params["queue"], most); err != nil {
		return answer{}, err
	}
	return a.findQueue(ctx, c)
}

// pauseQueue answers POST /queue/{name}/pause and resume.
func (a *API) pauseQueue(paused bool) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		if err := onlyAdmins(c); err != nil {
			return answer{}, err
		}
		if err := a.Dispatcher.PauseQueue(ctx, c.params["queue"], paused, c.user.Login); err != nil {
			return answer{}, err
		}
		return a.findQueue(ctx, c)
	}
}

// prioritizeBuild answers POST /build/{id}/priority.
func (a *API) prioritizeBuild(ctx context.Context, c *call) (answer, error) {
	b, err := a.build(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.PrioritizeBuild(ctx, b.ID); err != nil {
		return answer{}, named("build_not_prioritizable", err)
	}
	if b, err = a.build(ctx, c); err != nil {
		return answer{}, err
	}
	shown, err := a.view(c).showBuild(ctx, b, minimal)
	return answer{status: http.StatusAccepted, body: shown}, err
}

// prioritizeJob answers POST /job/{id}/priority.
func (a *API) prioritizeJob(ctx context.Context, c *call) (answer, error) {
	j, err := a.job(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if err := a.Dispatcher.PrioritizeJob(ctx, j.ID); err != nil {
		return answer{}, named("job_not_prioritizable", err)
	}
	if j, err = a.job(ctx, c); err != nil {
		return answer{}, err
	}
	shown, err := a.view(c).showJob(ctx, j)
	return answer{status: http.StatusAccepted, body: shown}, err
}

// first reports whether a build has jobs that were put first and have not ended.
func first(b ci.Build) bool {
	for _, j := range b.Jobs {
		if j.Priority > 0 && !j.State.Final() {
			return true
		}
	}
	return false
}

// waitOf says why a job has not begun, null where it has. It asks once for all jobs of a build.
func (v *view) waitOf(ctx context.Context, b ci.Build, j ci.Job) (*object, error) {
	if j.State != ci.Created && j.State != ci.Queued {
		return nil, nil //nolint:nilnil // null is what is shown
	}
	w, known := v.waits[j.ID]
	if !known {
		ids := []int64{j.ID}
		for _, other := range b.Jobs {
			if other.State == ci.Created || other.State == ci.Queued {
				ids = append(ids, other.ID)
			}
		}
		some, err := v.store.WhyWaiting(ctx, ids...)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			v.waits[id] = some[id]
		}
		w = v.waits[j.ID]
	}
	if w.Kind == "" { // it has begun meanwhile
		return nil, nil //nolint:nilnil // null is what is shown
	}
	return new(object).set("for", w.Kind).set("text", w.Text()).set("name", orNull(w.Name)).set("limit", orNull(w.Most)).
		set("now", orNull(w.Now)).set("ahead", w.Ahead), nil
}
