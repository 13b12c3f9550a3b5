package hub

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
)

// addSecrets seals the job's secrets to the key in the question. They are in no other message. An error says that the
// question cannot be answered now; a trouble that asking again does not cure is part of the answer.
func (h *Hub) addSecrets(ctx context.Context, c broker.Claim, answer *broker.ClaimAnswer) error {
	if c.SecretsTo == "" {
		return nil
	}
	secrets, err := h.store.Secrets(ctx, c.JobID)
	switch f, ok := errors.AsType[*fault.Error](err); {
	case ok && f.Kind == seal.Kind:
		h.log.ErrorContext(ctx, "a job cannot be given its secrets", "job_id", c.JobID, "err", err)
		answer.SecretsTrouble = f.Message
		return nil
	case err != nil || len(secrets) == 0:
		return err
	}
	all := make([]broker.EnvVar, len(secrets))
	for i, v := range secrets {
		all[i] = broker.EnvVar{Name: v.Name, Value: v.Value, Secure: v.Secure, SSHKey: v.SSHKey}
	}
	answer.Secrets, err = letter(c.SecretsTo, c.Subject(), all)
	if err != nil {
		answer.SecretsTrouble = "The worker's question holds no key that the secrets could be sealed to. Use workers of the platform's version."
	}
	return nil
}

// addCaches seals the addresses of the job's cache in the same way. Without them it runs all the same.
func (h *Hub) addCaches(ctx context.Context, c broker.Claim, answer *broker.ClaimAnswer) {
	if c.SecretsTo == "" || h.config.Caches == nil {
		return
	}
	links, err := h.config.Caches(ctx, c.JobID)
	if err == nil && links != nil {
		answer.Caches, err = letter(c.SecretsTo, c.CachesSubject(), links)
	}
	if err != nil {
		h.seldom.warn(ctx, "a job runs without its cache", "err", err)
	}
}

// letter is what only the worker that asked can open.
func letter(to, subject string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return seal.Letter(to, subject, plain)
}
