package intake

import (
	"context"
	"errors"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// outcome is where the work on a request led.
type outcome struct {
	build    ci.Build
	messages []ci.ConfigMessage
}

// handle works on a claimed request and stores where that led.
func (in *Intake) handle(ctx context.Context, q ci.Request) {
	var got outcome
	inner, cancel := context.WithTimeout(ctx, in.config.Work)
	defer cancel()
	hold := run.NewGroup(inner)
	hold.Go("renew the lease", func(ctx context.Context) error { return in.renew(ctx, q) })
	err := run.Guard(func() (err error) {
		got, err = in.turn(hold.Context(), q)
		return err
	})
	hold.Stop()
	switch lost := hold.Wait(); {
	case err == nil:
	case lost != nil:
		err = errors.Join(lost, err)
	case inner.Err() != nil && ctx.Err() == nil:
		err = fault.Wrap(fault.Unavailable, err, "Reading the repository took longer than %s.", in.config.Work)
	}
	log := in.log.With("request_id", q.ID, "try", q.Tries)
	switch {
	case err == nil:
		log.InfoContext(ctx, "a request made a build", "build_id", got.build.ID, "number", got.build.Number, "repo", got.build.Slug)
		in.announceRequest(ctx, q.RepositoryID, q.ID, ci.RequestFinished)
		in.announce.Announce(ctx, append(ci.Changes(got.build.Superseded...),
			ci.Change{Kind: ci.ChangeBuild, Repository: q.RepositoryID, Build: got.build.ID, State: string(got.build.State)})...)
		return
	case errors.Is(err, errOvertaken):
		log.InfoContext(ctx, "a request was taken over by another worker")
		return
	}
	if err := in.giveUp(ctx, q, err, got.messages); err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) {
		log.WarnContext(ctx, "the outcome of a request could not be stored; it is worked on again when its lease ends", "err", err)
	}
}

// renew keeps the lease of a request while it is worked on; a big repository takes longer to fetch than a lease lasts. It
// fails when another worker has the request.
func (in *Intake) renew(ctx context.Context, q ci.Request) error {
	for {
		if run.Pause(ctx, in.config.Lease/3) != nil {
			return nil
		}
		err := in.store.RenewRequest(ctx, q.ID, q.Tries, in.config.Lease)
		switch {
		case fault.Is(err, fault.Conflict):
			return errors.Join(errOvertaken, err)
		case err != nil && ctx.Err() == nil:
			in.log.WarnContext(ctx, "the lease of a request could not be renewed", "request_id", q.ID, "err", err)
		}
	}
}

// errOvertaken: the lease ended and another worker has the request.
var errOvertaken = errors.New("the request is another worker's")

// turn makes a build of a request.
func (in *Intake) turn(ctx context.Context, q ci.Request) (outcome, error) {
	repo, err := in.store.Repository(ctx, q.RepositoryID, 0)
	if err != nil {
		return outcome{}, err
	}
	if !repo.Active {
		return outcome{}, inactive(repo)
	}
	if err := in.wanted(ctx, q); err != nil {
		return outcome{}, err
	}
	commit, text, err := in.read(ctx, repo, &q)
	if err != nil {
		return outcome{}, err
	}
	e, err := in.expand(ctx, repo, q, commit, text)
	if err != nil {
		return outcome{messages: messages(e.plan.Messages)}, err
	}
	b, err := in.store.CreateBuild(ctx, in.build(repo.Slug, q, commit, text, e), q.Tries)
	if fault.Is(err, fault.Conflict) {
		return outcome{}, errors.Join(errOvertaken, err)
	}
	return outcome{build: b}, err
}

// read finds the commit and reads .travis.yml there. Without the file the text is empty, which is an error unless the request
// brings a configuration of its own.
func (in *Intake) read(ctx context.Context, repo ci.Repository, q *ci.Request) (ci.Commit, []byte, error) {
	commit, err := in.resolve(ctx, repo, q)
	if err != nil {
		return commit, nil, err
	}
	if q.Message != "" {
		commit.Message = q.Message
	}
	if q.Config != "" && q.MergeMode == "replace" {
		return commit, nil, nil
	}
	text, found, err := in.git.File(ctx, repo, commit.SHA, configFile, in.mostConfig())
	if err == nil && !found && q.Config == "" {
		err = fault.New(fault.NotFound, "There is no .travis.yml at this commit.").Named("no_config")
	}
	return commit, text, err
}

// giveUp stores why there is no build: for good, or until a later try.
func (in *Intake) giveUp(ctx context.Context, q ci.Request, cause error, said []ci.ConfigMessage) error {
	if ctx.Err() != nil {
		return in.handBack(ctx, q)
	}
	reason := fault.Message(cause)
	log := in.log.With("request_id", q.ID, "try", q.Tries, "reason", reason, "err", cause)
	if temporary(cause) && q.Tries < ci.MaxRequestTries {
		pause := in.config.Pauses[min(max(q.Tries, 1), len(in.config.Pauses))-1]
		log.WarnContext(ctx, "a request is tried again later", "pause", pause)
		if err := in.store.PostponeRequest(ctx, q.ID, q.Tries, pause, reason); err != nil {
			return err
		}
		in.announceRequest(ctx, q.RepositoryID, q.ID, ci.RequestPending)
		return nil
	}
	log.InfoContext(ctx, "a request is rejected")
	if err := in.store.RejectRequest(ctx, q.ID, q.Tries, reason, said); err != nil {
		return err
	}
	if f, ok := errors.AsType[*fault.Error](cause); ok && f.Kind == "git_ref_missing" && q.Event == ci.EventCron {
		// Without its branch it would fail each time; a crash before this line costs one more failure.
		if err := in.store.StopCron(ctx, q.ID, reason); err != nil {
			return err
		}
	}
	in.announceRequest(ctx, q.RepositoryID, q.ID, ci.RequestFinished)
	return nil
}

// handBack frees the request of a node that is being stopped, so that another need not wait for the end of the lease.
func (in *Intake) handBack(ctx context.Context, q ci.Request) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if q.Tries >= ci.MaxRequestTries {
		return nil // one more try would reject it; the lease ends by itself
	}
	return in.store.PostponeRequest(ctx, q.ID, q.Tries, 0, "The node that worked on it was stopped.")
}

// temporary says whether a later try may go better.
func temporary(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Internal, fault.Limited:
		return true
	case fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.Conflict:
		return false
	}
	return true
}
