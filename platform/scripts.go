package platform

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
	"github.com/headrace/headrace/worker/script"
)

// scriptStore is what scripts need of the database.
type scriptStore interface {
	ScriptTokenDigests(ctx context.Context) ([]string, error)
	MayBegin(ctx context.Context, jobID int64, attempt int) (bool, error)
	Secrets(ctx context.Context, jobID int64) ([]ci.EnvVar, error)
}

// scripts makes build scripts for workers that cannot make them themselves.
type scripts struct {
	store scriptStore
	keys  *seal.Keys // of the cluster; nil: no attempt has a token, and nothing has secrets
	// caches says where a job gets and puts its cache.
	caches func(ctx context.Context, jobID int64) (*broker.Caches, error)
	log    *slog.Logger
}

// Allowed says whether the token is what such a worker must show.
func (s scripts) Allowed(ctx context.Context, token string) (bool, error) {
	digests, err := s.store.ScriptTokenDigests(ctx)
	given, same := []byte(store.ScriptTokenDigest(token)), 0
	for _, d := range digests {
		same |= subtle.ConstantTimeCompare(given, []byte(d))
	}
	return same == 1, err
}

// token is what the message of an attempt shows.
func (s scripts) token(jobID int64, attempt int) string {
	return s.keys.Tag(tokenSubject(jobID, attempt))
}

// overKind names the fault of an attempt that may not begin any more.
const overKind = "attempt_over"

func tokenSubject(jobID int64, attempt int) string {
	return fmt.Sprintf("script of job %d.%d", jobID, attempt)
}

// Script turns a job message into bash text, with the job's secrets where the message shows its attempt's token.
func (s scripts) Script(ctx context.Context, message []byte, jobID string) ([]byte, error) {
	job, err := broker.DecodeJob(broker.Message{Type: broker.TypeJob, Body: message})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The body is not a job message as the platform publishes it.")
	}
	if jobID != "" && jobID != strconv.FormatInt(job.Job.ID, 10) {
		return nil, fault.New(fault.Invalid, "The address asks for job %s, the message is of job %d.", jobID, job.Job.ID)
	}
	secrets, err := s.secrets(ctx, job)
	switch f, ok := errors.AsType[*fault.Error](err); {
	case ok && (f.Kind == seal.Kind || f.Kind == overKind): // asking again does not help
		return script.Problem(f), nil
	case err != nil:
		return nil, err
	}
	job.EnvVars = slices.Concat(job.EnvVars, secrets)
	job.Caches = s.cachesOf(ctx, job)
	text, err := script.Generate(job, script.Options{OwnMachine: true}) // foreign workers run each job in a container or machine of its own
	if err != nil {
		return script.Problem(err), nil
	}
	return text, nil
}

// cachesOf are the addresses of the job's cache, for a message whose token was found right. Without them it runs all the same.
func (s scripts) cachesOf(ctx context.Context, job broker.Job) *broker.Caches {
	if s.caches == nil || job.Headrace == nil || job.Headrace.ScriptToken == "" {
		return nil
	}
	links, err := s.caches(ctx, job.Job.ID)
	if err != nil {
		s.log.WarnContext(ctx, "a job runs without its cache", "job_id", job.Job.ID, "err", err)
	}
	return links
}

// secrets are those of the job, for a message with the token of its attempt, while that may begin; none for one that shows
// no token.
func (s scripts) secrets(ctx context.Context, job broker.Job) ([]broker.EnvVar, error) {
	if job.Headrace == nil || job.Headrace.ScriptToken == "" {
		return nil, nil
	}
	id, attempt := job.Job.ID, job.Headrace.Attempt
	if !s.keys.Tagged(tokenSubject(id, attempt), job.Headrace.ScriptToken) {
		return nil, fault.New(fault.Forbidden, "The message of job %d shows a token which is not that of its attempt %d here. Platform nodes of a cluster need the same cluster_key.", id, attempt)
	}
	switch may, err := s.store.MayBegin(ctx, id, attempt); {
	case err != nil:
		return nil, err
	case !may:
		return nil, fault.New(fault.Conflict, "Attempt %d of it is not to be run any more.", attempt).Named(overKind)
	}
	all, err := s.store.Secrets(ctx, id)
	secrets := make([]broker.EnvVar, len(all))
	for i, v := range all {
		secrets[i] = broker.EnvVar{Name: v.Name, Value: v.Value, Secure: v.Secure, SSHKey: v.SSHKey}
	}
	return secrets, err
}
