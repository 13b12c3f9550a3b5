package platform

import (
	"context"
	"strconv"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/store"
	"github.com/headrace/headrace/worker/script"
)

// scripts makes build scripts for workers that cannot make them themselves.
type scripts struct{ store *store.Store }

// Token is what such a worker must show.
func (s scripts) Token(ctx context.Context) (string, error) { return s.store.ScriptToken(ctx) }

// Script turns a job message into bash text.
func (scripts) Script(message []byte, jobID string) ([]byte, error) {
	job, err := broker.DecodeJob(broker.Message{Type: broker.TypeJob, Body: message})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The body is not a job message as the platform publishes it.")
	}
	if jobID != "" && jobID != strconv.FormatInt(job.Job.ID, 10) {
		return nil, fault.New(fault.Invalid, "The address asks for job %s, the message is of job %d.", jobID, job.Job.ID)
	}
	text, err := script.Generate(job, script.Options{})
	if err != nil {
		return script.Problem(err), nil
	}
	return text, nil
}
