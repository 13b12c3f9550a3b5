package worker

import (
	"encoding/json"
	"net/url"
	"slices"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/internal/seal"
)

// secretsOf opens the secrets in the answer to a claim. trouble says, for people, why the job cannot have those that it
// has; then it must not run: what it does without them nobody has thought of.
func secretsOf(a broker.ClaimAnswer, asked broker.Claim, box *seal.Letterbox) (secrets []broker.EnvVar, trouble string) {
	switch {
	case a.SecretsTrouble != "":
		return nil, a.SecretsTrouble
	case a.Secrets == "":
		return nil, ""
	case box == nil:
		return nil, "This worker has no key to open them with."
	}
	plain, err := box.Open(a.Secrets, asked.Subject())
	if err == nil {
		err = json.Unmarshal(plain, &secrets)
	}
	if err != nil {
		return nil, "What the platform sealed for this worker does not open."
	}
	return secrets, ""
}

// cachesOf opens the addresses of the job's cache in the answer to a claim. Without them the job runs all the same.
func (w *Worker) cachesOf(a broker.ClaimAnswer, asked broker.Claim, box *seal.Letterbox) *broker.Caches {
	if a.Caches == "" || box == nil {
		return nil
	}
	var c broker.Caches
	plain, err := box.Open(a.Caches, asked.CachesSubject())
	if err == nil {
		err = json.Unmarshal(plain, &c)
	}
	if err != nil {
		w.cfg.Log.Warn("the addresses of a cache do not open; the job runs without it", "job_id", a.JobID, "err", err)
		return nil
	}
	return &c
}

// proofs are the parts of the addresses without which they are worth nothing.
func proofs(c *broker.Caches) []string {
	if c == nil {
		return nil
	}
	var all []string
	for _, l := range []broker.CacheLink{c.Fetch, c.Store} {
		if u, err := url.Parse(l.URL); err == nil && u.Query().Get("tag") != "" {
			all = append(all, u.Query().Get("tag"))
		}
	}
	return all
}

// withSecrets is the job as its script is made of: the settings' public variables first, then the secret ones. It is used
// for nothing else, so that nothing else holds them.
func (t *task) withSecrets() broker.Job {
	j := t.job
	j.EnvVars = slices.Concat(t.job.EnvVars, t.secrets)
	j.Caches = t.caches
	return j
}

// masked are the values that may not leave the worker: those of the claim's answer, and those of a platform that sends
// secrets within the message.
func (t *task) masked() []string {
	values := proofs(t.caches)
	for _, v := range t.withSecrets().EnvVars {
		switch {
		case v.Secure != "":
			values = append(values, mask.Assignments(v.Value)...)
		case !v.Public:
			values = append(values, v.Value)
		}
	}
	return values
}
