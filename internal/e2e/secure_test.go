package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/seal"
)

// TestSecureValues: what a file holds encrypted reaches the script of its own repository, under an imported file's name too,
// and stands nowhere in the log.
func TestSecureValues(t *testing.T) {
	t.Parallel()
	everyShape(t, func(t *testing.T, s shape) {
		api := s.api()
		seals, sources := map[string]string{}, map[string]string{}
		for _, name := range []string{"acme/lib", "acme/app"} {
			sources[name] = repository(t, map[string]string{"README": name})
			api.addRepository(t, name, sources[name])
			var key struct {
				Public string `json:"public_key"`
			}
			api.must(t, http.StatusOK, http.MethodGet, repo(name)+"/key_pair/generated", nil, &key)
			closed, err := seal.Encrypt(key.Public, "OF_"+strings.ToUpper(strings.TrimPrefix(name, "acme/"))+"="+canary)
			if err != nil {
				t.Fatal(err)
			}
			seals[name] = closed
		}
		write := func(name, file, text string) {
			commitFiles(t, strings.TrimPrefix(sources[name], "file://"), "Write "+file, map[string]string{file: text})
		}
		write("acme/lib", "shared.yml", "env:\n  global:\n    - secure: \""+seals["acme/lib"]+"\"\n")
		write("acme/app", ".travis.yml", `import: acme/lib:shared.yml
language: shell
env:
  global:
    - secure: "`+seals["acme/app"]+`"
    - secure: "bm90IG91cnM="
script: '[ "$OF_APP$OF_LIB" = "`+"$(echo "+reversed(canary+canary)+` | rev)" ] && echo "both: $OF_APP"'
`)
		b := api.ended(t, api.built(t, "acme/app", api.trigger(t, "acme/app", nil)).ID)
		text := logHas(t, api, b.Jobs[0].ID, "Your build exited with")
		if b.State != "passed" || !strings.Contains(text, "both: [secure]") || !strings.Contains(text, "could not be decrypted for this job") {
			t.Errorf("the build is %s:\n%s", b.State, tail(text, 4000))
		}
		checkText(t, "the log", text)
	})
}

func reversed(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}
