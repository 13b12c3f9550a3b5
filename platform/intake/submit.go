package intake

import (
	"context"
	"errors"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/travisyml"
)

const (
	maxConfig  = 1 << 20
	maxMessage = 64 << 10
	maxKey     = 255
)

// Submit checks a request and stores it. When it returns without an error the request is durable; created is false where the
// same key was submitted before.
func (in *Intake) Submit(ctx context.Context, q ci.NewRequest) (r ci.Request, created bool, err error) {
	repo, err := in.store.Repository(ctx, q.RepositoryID, 0)
	if err != nil {
		return ci.Request{}, false, err
	}
	if !repo.Active {
		return ci.Request{}, false, inactive(repo)
	}
	if q, err = normalise(q, repo); err != nil {
		return ci.Request{}, false, err
	}
	if err := in.checkConfig(q); err != nil {
		return ci.Request{}, false, err
	}
	if r, created, err = in.store.CreateRequest(ctx, q); err != nil {
		return ci.Request{}, false, err
	}
	if created {
		in.announceRequest(ctx, r.RepositoryID, r.ID, ci.RequestPending)
		in.Wake()
	}
	return r, created, nil
}

func inactive(r ci.Repository) error {
	return fault.New(fault.Conflict, "Builds are turned off for %s. Turn them on first.", r.Slug).Named("repository_inactive")
}

// normalise checks the parts of a request and fills in what was left out.
func normalise(q ci.NewRequest, repo ci.Repository) (ci.NewRequest, error) {
	q.Branch = strings.TrimPrefix(strings.TrimSpace(q.Branch), "refs/heads/")
	q.Tag = strings.TrimPrefix(strings.TrimSpace(q.Tag), "refs/tags/")
	q.SHA = strings.ToLower(strings.TrimSpace(q.SHA))
	if q.Event == "" {
		q.Event = ci.EventAPI
	}
	if q.Branch == "" && q.Tag == "" {
		q.Branch = repo.DefaultBranch
	}
	var errs []error
	if q.Branch != "" {
		errs = append(errs, ci.CheckRef("branch", q.Branch))
	}
	if q.Tag != "" {
		errs = append(errs, ci.CheckRef("tag", q.Tag))
	}
	if q.SHA != "" {
		errs = append(errs, ci.CheckSHA(q.SHA))
	}
	if len(q.Message) > maxMessage {
		errs = append(errs, fault.Field("message", "The message has %d bytes; at most %d are kept.", len(q.Message), maxMessage))
	}
	if len(q.Key) > maxKey {
		errs = append(errs, fault.Field("key", "The idempotency key has %d bytes; at most %d are allowed.", len(q.Key), maxKey))
	}
	return q, firstOf(errs)
}

// firstOf returns the first error, with the fields of all of them.
func firstOf(errs []error) error {
	var first *fault.Error
	for _, err := range errs {
		f, ok := errors.AsType[*fault.Error](err)
		switch {
		case !ok:
		case first == nil:
			first = f
		default:
			for name, text := range f.Fields {
				first.Fields[name] = text
			}
		}
	}
	if first == nil {
		return nil
	}
	return first
}

// checkConfig says at once what is wrong with the configuration that came with a request.
func (in *Intake) checkConfig(q ci.NewRequest) error {
	if q.Config == "" {
		return checkMode(q.MergeMode)
	}
	if len(q.Config) > maxConfig {
		return fault.Field("config", "The configuration has %d bytes; at most %d are read.", len(q.Config), maxConfig)
	}
	if _, _, err := travisyml.Parse(requestSource, []byte(q.Config), in.config.Limits); err != nil {
		f := fault.Field("config", "%s", describe(err))
		f.Err = err
		return f
	}
	return checkMode(q.MergeMode)
}

func checkMode(mode string) error {
	switch strings.ReplaceAll(mode, "-", "_") {
	case "":
		return nil
	case "replace", "merge", "deep_merge", "deep_merge_append", "deep_merge_prepend":
		return nil
	}
	return fault.Field("merge_mode", "The merge mode %q is not known. Use replace, merge, deep_merge, deep_merge_append or deep_merge_prepend.", mode)
}

func (in *Intake) announceRequest(ctx context.Context, repository, id int64, s ci.RequestState) {
	in.announce.Announce(ctx, ci.Change{Kind: ci.ChangeRequest, Repository: repository, Request: id, State: string(s)})
}
