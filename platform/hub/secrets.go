package hub

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
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
	answer.Secrets, err = letter(c, secrets)
	if err != nil {
		answer.SecretsTrouble = "The worker's question holds no key that the secrets could be sealed to. Use workers of the platform's version."
	}
	return nil
}

func letter(c broker.Claim, secrets []ci.EnvVar) (string, error) {
	all := make([]broker.EnvVar, len(secrets))
	for i, v := range secrets {
		all[i] = broker.EnvVar{Name: v.Name, Value: v.Value, Secure: v.Secure, SSHKey: v.SSHKey}
	}
	plain, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	return seal.Letter(c.SecretsTo, c.Subject(), plain)
}
