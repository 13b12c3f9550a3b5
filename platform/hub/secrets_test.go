package hub_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/hub"
)

func (s *fakeStore) Secrets(_ context.Context, jobID int64) ([]ci.EnvVar, error) {
	if s.SecretsFunc == nil {
		return nil, nil
	}
	return s.SecretsFunc(jobID)
}

func TestClaim_secretsAreSealedToTheKeyInTheQuestion(t *testing.T) {
	t.Parallel()
	carrier := newFakeCarrier()
	s := &fakeStore{
		ClaimFunc: func(c ci.Claim) (ci.Claimed, ci.Moved, error) {
			return ci.Claimed{Job: ci.Job{ID: c.JobID}}, ci.Moved{}, nil
		},
		SecretsFunc: func(jobID int64) ([]ci.EnvVar, error) {
			if jobID != 4 {
				t.Errorf("asked for job %d", jobID)
			}
			return []ci.EnvVar{{Name: "TOKEN", Value: "hunter2\n"}}, nil
		},
	}
	start(t, s, carrier, hub.Config{})
	box, err := seal.NewLetterbox()
	if err != nil {
		t.Fatal(err)
	}
	claim := broker.Claim{JobID: 4, Attempt: 2, Run: "r", WorkerID: "w1", SecretsTo: box.Address()}
	for range 2 { // asked again, it is answered the same
		<-carrier.put(broker.ClaimQueue, encode(t, broker.TypeClaim, claim)).settled
		m := <-carrier.published
		var answer broker.ClaimAnswer
		if err := broker.Decode(m, &answer); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(m.Body), "hunter2") || strings.Contains(string(m.Body), "TOKEN") || !m.Transient {
			t.Errorf("the answer shows a secret, or is stored: %s", m.Body)
		}
		plain, err := box.Open(answer.Secrets, claim.Subject())
		if err != nil {
			t.Fatal(err)
		}
		var got []broker.EnvVar
		if err := json.Unmarshal(plain, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]broker.EnvVar{{Name: "TOKEN", Value: "hunter2\n"}}, got); diff != "" || !answer.Granted {
			t.Errorf("answer %+v (-want +got):\n%s", answer, diff)
		}
	}
}

func TestClaim_troubleWithSecrets(t *testing.T) {
	t.Parallel()
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	_, unknown := keys.Open("v1.0badcafe.AAAA", seal.Place{})
	for name, tt := range map[string]struct {
		to      string
		err     error
		secrets []ci.EnvVar
		answers bool
		trouble string
	}{
		"another cluster key": {to: "x", err: unknown, answers: true, trouble: "0badcafe"},
		"a broken key":        {to: "x", secrets: []ci.EnvVar{{Name: "A", Value: "hunter2"}}, answers: true, trouble: "holds no key"},
		"none asked for":      {err: unknown, answers: true},
		"none there":          {to: "x", answers: true},
		"the store is away":   {to: "x", err: fault.New(fault.Unavailable, "away")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carrier := newFakeCarrier()
			start(t, &fakeStore{
				ClaimFunc:   func(ci.Claim) (ci.Claimed, ci.Moved, error) { return ci.Claimed{}, ci.Moved{}, nil },
				SecretsFunc: func(int64) ([]ci.EnvVar, error) { return tt.secrets, tt.err },
			}, carrier, hub.Config{})
			<-carrier.put(broker.ClaimQueue, encode(t, broker.TypeClaim, broker.Claim{JobID: 4, Attempt: 2, Run: "r", WorkerID: "w1", SecretsTo: tt.to})).settled
			if !tt.answers {
				if len(carrier.published) > 0 {
					t.Errorf("answered %s", (<-carrier.published).Body)
				}
				return
			}
			var answer broker.ClaimAnswer
			if err := broker.Decode(<-carrier.published, &answer); err != nil {
				t.Fatal(err)
			}
			if !answer.Granted || answer.Secrets != "" || (tt.trouble == "") != (answer.SecretsTrouble == "") || !strings.Contains(answer.SecretsTrouble, tt.trouble) {
				t.Errorf("answer %+v", answer)
			}
		})
	}
}
