package script

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/broker"
)

// ownMachine has stubs of all that would change it, which note how they were called; sudo does what it is given.
func ownMachine(t *testing.T, more map[string]string) machine {
	t.Helper()
	note := `echo "$(basename "$0") $*" >> "$HOME/called"`
	programs := map[string]string{
		"sudo": `while [[ $1 == -* ]]; do shift; done; "$@"`, "apt-get": note, "add-apt-repository": note, "tee": "cat > /dev/null; " + note,
		"curl": note + `; while [[ $1 != -o ]]; do shift; done; echo key > "$2"`, "cp": note, "mkdir": "[[ $* == */etc/* ]] && " + note + ` || exec /bin/mkdir "$@"`, "chmod": note,
		"dpkg-query": `[[ $* == *there* ]] && printf installed`,
	}
	for name, text := range more {
		programs[name] = text
	}
	m := newMachine(t)
	m.path = stubs(t, programs) + ":" + m.path
	return m
}

func (m machine) runOwn(t *testing.T, job broker.Job) outcome {
	t.Helper()
	return m.runWith(t, job, Options{OwnMachine: true})
}

func (m machine) called(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.home, "called"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func TestApt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		addons map[string]any
		want   string
	}{
		"packages": {
			map[string]any{"apt": map[string]any{"packages": []string{"jq", "there", "libssl-dev=1.1*"}}},
			"apt-get update -yq\napt-get install -yq --no-install-suggests --no-install-recommends -- jq libssl-dev=1.1*\n",
		},
		"in the image": {map[string]any{"apt": []string{"there"}, "apt_packages": []string{"there2"}}, ""},
		"update alone": {map[string]any{"apt": map[string]any{"update": true}}, "apt-get update -yq\n"},
		"a personal archive": {
			map[string]any{"apt": map[string]any{"sources": []any{map[string]any{"name": "deadsnakes"}, "ppa:a/b", "nonesuch"}}},
			"add-apt-repository -y ppa:deadsnakes/ppa\nadd-apt-repository -y ppa:a/b\napt-get update -yq\n",
		},
		"hosts": {map[string]any{"hosts": []string{"a.example", "b;c", "d.example e.example"}, "hostname": "mill"}, "tee -a /etc/hosts\ntee -a /etc/hosts\n"},
		"off":   {map[string]any{"apt": false}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := ownMachine(t, nil)
			o := m.runOwn(t, bareJob(t, map[string]any{"addons": c.addons, "script": "true"}))
			o.wantCode(t, ExitPassed)
			if diff := cmp.Diff(c.want, m.called(t)); diff != "" {
				t.Errorf("called (-want +got):\n%s\nThe log:\n%s", diff, o.log)
			}
		})
	}
}

func TestAptSourceWithAKey(t *testing.T) {
	t.Parallel()
	m := ownMachine(t, map[string]string{"cp": `shift; [[ $2 != *.list ]] || cat "$1" >> "$HOME/called"`, "chmod": ""})
	m.runOwn(t, bareJob(t, map[string]any{"script": "true", "addons": map[string]any{"apt": map[string]any{"sources": []any{
		map[string]any{"sourceline": "deb https://x.example focal main", "key_url": "https://x.example/key"},
		map[string]any{"sourceline": "deb [arch=amd64] https://y.example focal main"},
	}}}})).wantCode(t, ExitPassed)
	got := m.called(t)
	for _, line := range []string{
		"deb [signed-by=/etc/apt/keyrings/headrace-1.asc] https://x.example focal main\n", "deb [arch=amd64] https://y.example focal main\n", "-- https://x.example/key\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("called lacks %q:\n%s", line, got)
		}
	}
}

func TestAptThatFailsEndsTheJob(t *testing.T) {
	t.Parallel()
	m := ownMachine(t, map[string]string{"apt-get": `[[ $1 == update ]] || { echo "Unable to locate package $*"; exit 100; }`})
	o := m.runOwn(t, bareJob(t, map[string]any{"addons": map[string]any{"apt": map[string]any{"packages": []string{"nope"}}}, "script": "echo not here"}))
	o.wantCode(t, ExitErrored)
	o.wantText(t, "Trying again, 3 of 3", `The command "apt-get install nope" failed with exit code 100 in the phase setup.`)
	o.wantNoText(t, "not here")
}

// TestSharedMachineIsLeftAlone: with the local executor a job would change the machine of its worker.
func TestSharedMachineIsLeftAlone(t *testing.T) {
	t.Parallel()
	m := ownMachine(t, nil)
	o := m.run(t, bareJob(t, map[string]any{"addons": map[string]any{"apt": map[string]any{"packages": []string{"jq"}}, "hosts": "a"}, "script": "true"}))
	o.wantCode(t, ExitErrored)
	o.wantText(t, "would change this machine, which the jobs of this worker share")
	if got := m.called(t); got != "" {
		t.Errorf("it did %s", got)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	m := ownMachine(t, map[string]string{"Xvfb": "echo screen >&2", "docker": "exit 1"})
	m.env = append(m.env, "HEADRACE_SERVICES=redis postgresql")
	job := bareJob(t, map[string]any{"services": []string{"cassandra", "xvfb", "docker", "perkeep"}, "script": `echo "display $DISPLAY"`})
	o := m.runOwn(t, job)
	o.wantCode(t, ExitPassed)
	o.wantText(t, "cassandra is not in the image of this job", "display :99.0", "docker does not answer", "Headrace knows no perkeep")
}

func TestServiceBesideTheJob(t *testing.T) {
	t.Parallel()
	m := ownMachine(t, map[string]string{"sleep": ":"})
	m.env = append(m.env, "HEADRACE_SERVICES=riak")
	o := m.runOwn(t, bareJob(t, map[string]any{"services": "riak", "script": "true"}))
	o.wantCode(t, ExitPassed)
	o.wantText(t, "riak runs beside this job, at 127.0.0.1:8087.", "riak does not answer on port 8087")
}

func TestAddonsThatAreTools(t *testing.T) {
	t.Parallel()
	m := ownMachine(t, map[string]string{"google-chrome": "echo Chrome 130", "ssh-keyscan": `echo "key of $*"`})
	o := m.runOwn(t, bareJob(t, map[string]any{
		"addons": map[string]any{"chrome": "stable", "rethinkdb": "2", "sauce_connect": true, "coverity_scan": false, "ssh_known_hosts": []string{"git.example:22", "-x"}},
		"script": "cat ~/.ssh/known_hosts",
	}))
	o.wantCode(t, ExitPassed)
	o.wantText(t, "Chrome 130", "addons.rethinkdb: Headrace does not install", "addons.sauce_connect: Headrace does not speak", `"-x" is no host`, "key of -p 22 -T 10 git.example")
	o.wantNoText(t, "coverity")
}
