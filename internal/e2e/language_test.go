package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestLanguage runs a file that uses much of the language: an import of another repository, a matrix with an exclusion, stages
// of which one has a condition that is false, a job that may fail, deployments by script, an SSH key.
func TestLanguage(t *testing.T) {
	t.Parallel()
	s := trial(t, t.TempDir(), nil)
	api, out := s.api(), t.TempDir()
	shared := repository(t, map[string]string{"ci/shared.yml": `
stages: [check, test, {name: never, if: branch = elsewhere}, ship]
before_install: echo "shared begins"
env: {global: [SHARED=yes]}
`})
	api.addRepository(t, "acme/ci", shared)
	own := repository(t, map[string]string{".travis.yml": `
import:
  - {source: "acme/ci:ci/shared.yml", mode: deep_merge_prepend}
  - {source: nowhere.yml, if: branch = elsewhere}
language: shell
env: {jobs: [ROW=1, ROW=2, ROW=3]}
script: '[ "$SHARED" = yes ] && [ "$ROW" != 3 ] && [ -r "$(echo "$GIT_SSH_COMMAND" | cut -d" " -f3)" ] && echo "ran $ROW"'
after_failure: echo "fell $ROW"
jobs:
  exclude: [{env: ROW=2}]
  allow_failures: [{env: ROW=3}]
  include:
    - {stage: check, name: same, env: ROW=1, script: "true"}
    - {stage: check, name: same, env: ROW=1, script: "true"}
    - {stage: never, script: "touch ` + out + `/never"}
    - stage: ship
      name: ship
      env: ROW=1
      script: echo built > product
      before_deploy: echo before
      deploy:
        - {provider: script, script: "cp product ` + out + `/shipped", on: {branch: main, condition: "$ROW = 1"}}
        - {provider: script, script: "touch ` + out + `/wrong", on: {branch: main, condition: "$ROW = 2"}}
        - {provider: script, script: "touch ` + out + `/tagged", on: {tags: true}}
        - {provider: script, script: "exit 3", on: {all_branches: true}, allow_failure: true}
`})
	api.addRepository(t, "acme/app", own)
	api.must(t, http.StatusCreated, http.MethodPost, repo("acme/app")+"/key_pair", map[string]any{"key_pair": map[string]string{"value": sshKey(t)}}, nil)

	b := api.ended(t, api.built(t, "acme/app", api.trigger(t, "acme/app", nil)).ID)
	var logs []string
	for _, j := range b.Jobs {
		if j.State != "canceled" {
			logHas(t, api, j.ID, "Your build exited with")
		}
		logs = append(logs, api.log(t, j.ID))
	}
	all := strings.Join(logs, "\n")
	if b.State != "passed" || len(b.Jobs) != 4 {
		t.Fatalf("the build of %d jobs is %s:\n%s", len(b.Jobs), b.State, tail(all, 8000))
	}
	for _, text := range []string{"shared begins", "ran 1", "fell 3", "git fetches with the SSH key", "its condition does not hold: $ROW = 2", "this is not a build of a tag",
		"The deployment failed with exit code 3, which allow_failure lets pass."} {
		if !strings.Contains(all, text) {
			t.Errorf("no log says %q:\n%s", text, tail(all, 8000))
		}
	}
	if text, err := os.ReadFile(filepath.Join(out, "shipped")); err != nil || string(text) != "built\n" {
		t.Errorf("shipped is %q: %v", text, err)
	}
	for _, name := range []string{"wrong", "tagged", "never"} {
		if _, err := os.Stat(filepath.Join(out, name)); !os.IsNotExist(err) {
			t.Errorf("%s was made: %v", name, err)
		}
	}
}

// sshKey is a private key as ssh-keygen makes it.
func sshKey(t *testing.T) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}
