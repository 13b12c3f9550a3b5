package platform

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/fault"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	const repo = `"repository":{"slug":"acme/app","source_url":"https://git.example/acme/app"}`
	for name, test := range map[string]struct {
		message, jobID, want string
		invalid              bool
	}{
		"a job":                  {`{"job":{"id":7},` + repo + `,"config":{"language":"shell","script":"echo hi"},"paranoid":false}`, "7", "echo hi", false},
		"no job named beside it": {`{"job":{"id":7},` + repo + `,"config":{}}`, "", "#!/bin/bash\n", false},
		"null as config":         {`{"job":{"id":7},` + repo + `,"config":null}`, "7", "#!/bin/bash\n", false},
		"a config that is none":  {`{"job":{"id":7},` + repo + `,"config":["script"]}`, "7", "This job cannot be run", false},
		"another job":            {`{"job":{"id":7},` + repo + `,"config":{}}`, "8", "", true},
		"no job":                 {`{"config":{}}`, "", "", true},
		"no JSON":                {`hello`, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := scripts{}.Script([]byte(test.message), test.jobID)
			if fault.Is(err, fault.Invalid) != test.invalid || !strings.Contains(string(text), test.want) {
				t.Errorf("got %s, %v", text, err)
			}
			if !test.invalid && !strings.HasPrefix(string(text), "#!/bin/bash\n") {
				t.Errorf("not a script: %s", text)
			}
		})
	}
}
