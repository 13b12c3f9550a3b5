package worker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/worker/executor"
)

// perform runs the task to its end and puts the last state on its tape.
func (w *Worker) perform(stop context.Context, t *task) {
	defer t.die(nil)
	defer context.AfterFunc(stop, func() { t.end(endGivenBack) })()
	var o outcome
	err := run.Guard(func() error {
		if t.foreign {
			if err := t.tape.Report(t.report(w.cfg.ID, stateReceived, outcome{})); err != nil {
				return err
			}
		}
		t.tape.Say(w.heading(t))
		o = w.execute(t)
		return nil
	})
	if err != nil {
		w.cfg.Log.ErrorContext(stop, "running a job broke", "job_id", t.key.JobID, "attempt", t.key.Attempt, "err", err)
		o = outcome{state: stateErrored, reason: reasonExecutor, note: "A defect in the worker ended this job; the worker's log says more."}
		o.words = o.note
	}
	if t.ending() == endLost {
		t.tape.Drop()
		w.cfg.Log.WarnContext(stop, "a job does not belong to this worker any more; it is killed and forgotten", "job_id", t.key.JobID, "attempt", t.key.Attempt)
		return
	}
	if o.words != "" {
		t.tape.Say(closing(o))
	}
	w.cfg.Log.InfoContext(stop, "job ended", "job_id", t.key.JobID, "attempt", t.key.Attempt, "state", o.state, "reason", o.reason, "seconds", time.Since(t.since).Seconds())
	if err := t.tape.End(t.report(w.cfg.ID, o.state, o)); err != nil {
		w.cfg.Log.ErrorContext(stop, "the end of a job cannot be reported", "job_id", t.key.JobID, "err", err)
	}
}

// execute makes the script, starts it and watches it.
func (w *Worker) execute(t *task) outcome {
	if t.trouble != "" {
		return outcome{state: stateErrored, reason: reasonConfig, note: t.trouble, words: "The secret variables of this job cannot be had: " + t.trouble}
	}
	script, err := w.generate(t.withSecrets())
	if err != nil {
		return outcome{state: stateErrored, reason: reasonConfig, note: inPlainWords(err), words: "This job cannot be turned into a script: " + inPlainWords(err)}
	}
	l := w.cfg.limitsOf(t.job)
	masked := mask.New(t.tape, t.masked())
	m := &meter{out: masked, limit: l.bytes, passed: func() { t.end(l.endBytes()) }}
	p, err := w.exec.Start(t.ctx, executor.Spec{
		JobID: t.key.JobID, Attempt: t.key.Attempt, Run: t.key.Run, Wish: wishOf(t.job), Untrusted: untrusted(t.job), Script: script, Output: m,
	})
	if err != nil {
		if e := t.ending(); e != nil {
			return e.outcome()
		}
		if errors.Is(err, executor.ErrAway) {
			w.cfg.Log.Warn("a job could not be started and is given back", "job_id", t.key.JobID, "attempt", t.key.Attempt, "err", err)
			return endAway(err).outcome()
		}
		w.cfg.Log.Error("a job could not be started", "job_id", t.key.JobID, "attempt", t.key.Attempt, "err", err)
		return outcome{state: stateErrored, reason: reasonExecutor, note: inPlainWords(err), words: "This job could not be started: " + inPlainWords(err)}
	}
	if err := t.tape.Report(t.report(w.cfg.ID, stateStarted, outcome{instance: p.ID()})); err != nil {
		w.cfg.Log.Error("the start of a job cannot be reported", "job_id", t.key.JobID, "err", err)
	}
	m.touch()
	o := w.watch(t, p, m, l)
	_ = masked.Flush() // a tape takes everything
	o.instance = p.ID()
	return o
}

// generate makes the script; a generator that breaks is a configuration that cannot be run.
func (w *Worker) generate(j broker.Job) (script []byte, err error) {
	broke := run.Guard(func() error {
		script, err = w.cfg.Generate(j)
		return nil
	})
	if broke != nil {
		w.cfg.Log.Error("making a script broke", "job_id", j.Job.ID, "err", broke)
		return nil, fault.Wrap(fault.Internal, broke, "A defect in the worker kept it from making the script; the worker's log says more.")
	}
	return script, err
}

// ended is the result of a process.
type ended struct {
	exit executor.Exit
	err  error
}

// watch waits for the end of the process, by itself or by what ends the run.
func (w *Worker) watch(t *task, p executor.Process, m *meter, l limits) outcome {
	done := make(chan ended, 1)
	go func() { // ends with the process; a process that cannot be killed is left behind
		exit, err := p.Wait()
		done <- ended{exit, err}
	}()
	hard := time.NewTimer(l.hard)
	defer hard.Stop()
	silent := time.NewTimer(l.silence)
	defer silent.Stop()
	for {
		select {
		case e := <-done:
			return w.result(t, e)
		case <-t.ctx.Done():
			return w.kill(t, p, done)
		case <-hard.C:
			t.end(l.endHard())
		case <-silent.C:
			left := l.silence - m.silence()
			if left <= 0 {
				t.end(l.endSilence())
			}
			silent.Reset(max(left, time.Millisecond))
		}
	}
}

func (w *Worker) result(t *task, e ended) outcome {
	if end := t.ending(); end != nil {
		return end.outcome()
	}
	if errors.Is(e.err, executor.ErrAway) {
		w.cfg.Log.Warn("what ran a job is away; the job is given back", "job_id", t.key.JobID, "attempt", t.key.Attempt, "err", e.err)
		return endAway(e.err).outcome()
	}
	if e.err != nil {
		w.cfg.Log.Error("the end of a job could not be seen", "job_id", t.key.JobID, "err", e.err)
		return outcome{state: stateErrored, reason: reasonExecutor, note: inPlainWords(e.err), words: "How the script ended could not be seen: " + inPlainWords(e.err)}
	}
	return outcomeOf(e.exit)
}

// kill ends the process because the run was made to end.
func (w *Worker) kill(t *task, p executor.Process, done <-chan ended) outcome {
	end := t.ending()
	if end == endLost {
		t.tape.Drop()
	}
	t.tape.Unbound()
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.KillPatience)
	defer cancel()
	if err := p.Kill(ctx); err != nil {
		w.cfg.Log.ErrorContext(ctx, "a job cannot be killed; it may still use this machine", "job_id", t.key.JobID, "instance", p.ID(), "err", err)
		return end.outcome()
	}
	<-done
	return end.outcome()
}

func (e *ending) outcome() outcome {
	return outcome{state: e.state, reason: e.reason, note: e.words, words: e.words}
}

// inPlainWords is what people read of an error.
func inPlainWords(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return strings.TrimSuffix(err.Error(), ".") + "."
}
