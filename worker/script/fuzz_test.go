package script

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
)

// Whatever a message holds, there is a script that bash can read, or an error; neither takes long nor grows without bound.
func FuzzGenerate(f *testing.F) {
	for _, job := range goldenJobs() {
		f.Add([]byte(job.Config), job.Job.Branch, "A=1 B='x y'", "acme/app")
	}
	for _, config := range []string{
		`[]`, `null`, `{"env":[{"A":"'"},{"A":"$("},{"A":"${"},{"A":"\""},{"A":"\\"},{"A":"` + "`" + `"}]}`, `{"script":[[],{},null,1,true,"a\u0000b"]}`,
		`{"deploy":[{"provider":"s3","bucket":{"main":"$(x"},"on":{"condition":["a ]] ; b","("]},"file":["*'"]},{"provider":"$(x)"},"script",1]}`,
		`{"git":{"depth":"x","submodules_depth":"-1","sparse_checkout":["'","-x"],"autocrlf":"$(x)"},"services":["$(x)","redis"],"addons":"x"}`,
		`{"addons":{"apt":{"packages":["a b","'","-o"],"sources":["'",{"sourceline":"'$(x)","key_url":"-o"}]},"hosts":["'"],"postgresql":"$(x)"}}`,
		`{"language":"python","python":"$(x)'","os":"'","dist":"\n","arch":"\n"}`, `{"language":"go","go_import_path":"../../x","go":"'","gobuild_args":"'"}`,
	} {
		f.Add([]byte(config), "main", "'", "acme/app")
	}
	f.Fuzz(func(t *testing.T, config []byte, branch, value, slug string) {
		if len(config) > 64<<10 || len(value) > 64<<10 {
			return
		}
		job := jobOf(string(config))
		job.Job.Branch, job.Job.CommitMessage, job.Job.Name, job.Repository.Slug = branch, value, value, slug
		job.EnvVars = []broker.EnvVar{{Name: "A", Value: value}, {Name: value, Value: value, Public: true}, {Secure: "x", Value: value}}
		start := time.Now()
		script, err := Generate(job, Options{OwnMachine: true})
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		if err != nil {
			return
		}
		if most := 1<<20 + 50*(len(config)+len(value)+len(branch)+len(slug)); len(script) > most {
			t.Errorf("%d bytes of script from %d of config", len(script), len(config))
		}
		checkSyntax(t, withoutRuntime(script))
		if len(config) > 0 && !json.Valid(config) {
			t.Errorf("a script was made of %q", config)
		}
	})
}
