package docker_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/worker/executor"
	"github.com/headrace/headrace/worker/executor/docker"
)

// recorder is an engine that keeps what it is asked for, and starts nothing.
type recorder struct {
	mu    sync.Mutex
	asked []asked
	pull  string // what a pull answers; until then no image is there
}

type asked struct {
	method, path string
	body         []byte
}

// ServeHTTP answers as an engine of version 20.10 would.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	path := req.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[strings.Index(path[1:], "/")+1:]
	}
	r.mu.Lock()
	r.asked = append(r.asked, asked{req.Method, path, body})
	r.mu.Unlock()
	w.Header().Set("API-Version", "1.41")
	answer := map[string]any{}
	switch {
	case path == "/info":
		answer = map[string]any{"OSType": "linux", "ServerVersion": "20.10.24", "Driver": "overlay2", "DriverStatus": [][2]string{{"Backing Filesystem", "xfs"}}}
	case path == "/networks" || path == "/containers/json":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "[]")
		return
	case path == "/images/create":
		w.Header().Set("Content-Type", "application/json")
		r.mu.Lock()
		defer r.mu.Unlock()
		_, _ = io.WriteString(w, r.pull)
		r.pull = ""
		return
	case strings.HasPrefix(path, "/images/") && r.lacksImages():
		http.Error(w, `{"message":"No such image"}`, http.StatusNotFound)
		return
	case strings.HasPrefix(path, "/images/"):
		answer = map[string]any{"Id": "sha256:1", "Config": map[string]any{"Env": []string{"PATH=/opt/bin:/bin", "A=b"}, "Volumes": map[string]any{"/cache": map[string]any{}}}}
	case strings.HasSuffix(path, "/create"):
		w.WriteHeader(http.StatusCreated)
		answer = map[string]any{"Id": "c1"}
	case strings.HasSuffix(path, "/archive") && req.Method == http.MethodPut:
	case strings.HasSuffix(path, "/archive"):
		http.Error(w, `{"message":"no such file"}`, http.StatusNotFound)
		return
	case strings.HasSuffix(path, "/attach"):
		http.Error(w, `{"message":"this engine only records"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (r *recorder) lacksImages() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pull != ""
}

// find gives the bodies of the questions whose path ends so.
func (r *recorder) find(method, suffix string) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found [][]byte
	for _, a := range r.asked {
		if a.method == method && strings.HasSuffix(a.path, suffix) {
			found = append(found, a.body)
		}
	}
	return found
}

const canary = "canary-9d41c7"

// record gives what the engine is asked for when a job is started.
func record(t *testing.T, change func(*docker.Config), s executor.Spec) (container, network map[string]any, r *recorder) {
	t.Helper()
	r = &recorder{}
	cfg := docker.Config{
		Host: r.listen(t), Dir: t.TempDir(), OpenNetwork: true, Network: netip.MustParsePrefix("10.99.0.0/24"),
		Limits: docker.Limits{CPUs: 1.5, Memory: 1 << 30, Processes: 100, Shm: 1 << 20, Disk: 2 << 30},
	}
	if change != nil {
		change(&cfg)
	}
	e, err := docker.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.JobID, s.Attempt, s.Output = 12, 2, io.Discard
	s.Script, s.Env = []byte("echo "+canary), []string{"SECRET=" + canary}
	if _, err := e.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), "received 500") {
		t.Fatalf("Start = %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	bodies := r.find(http.MethodPost, "/containers/create")
	if len(bodies) == 0 || json.Unmarshal(bodies[len(bodies)-1], &container) != nil {
		t.Fatalf("no container was asked for: %s", bodies)
	}
	bodies = r.find(http.MethodPost, "/networks/create")
	if len(bodies) != 1 || json.Unmarshal(bodies[0], &network) != nil {
		t.Fatalf("no network was asked for: %s", bodies)
	}
	return container, network, r
}

// listen makes it answer, and gives its address.
func (r *recorder) listen(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String()
}

// pick takes some fields out of an object.
func pick(o any, names ...string) map[string]any {
	out := map[string]any{}
	all, _ := o.(map[string]any)
	for _, n := range names {
		out[n] = all[n]
	}
	return out
}

func TestRequest_isolation(t *testing.T) {
	t.Parallel()
	container, network, r := record(t, nil, executor.Spec{})
	host := container["HostConfig"]
	got := pick(host, "Privileged", "CapAdd", "CapDrop", "SecurityOpt", "PidsLimit", "NanoCpus", "Memory", "MemorySwap", "ShmSize", "Binds", "Mounts",
		"LogConfig", "IpcMode", "CgroupnsMode", "PidMode", "UsernsMode", "Devices", "StorageOpt", "Tmpfs", "PublishAllPorts", "PortBindings", "VolumesFrom", "RestartPolicy")
	want := map[string]any{
		"Privileged": false, "CapAdd": nil, "CapDrop": []any{"ALL"}, "SecurityOpt": []any{"no-new-privileges:true"}, "PidsLimit": 100.0,
		"NanoCpus": 1.5e9, "Memory": 1073741824.0, "MemorySwap": 1073741824.0, "ShmSize": 1048576.0, "Binds": nil, "Mounts": nil,
		"LogConfig": map[string]any{"Type": "none", "Config": nil}, "IpcMode": "private", "CgroupnsMode": "private", "PidMode": "", "UsernsMode": "", "Devices": nil,
		"StorageOpt": map[string]any{"size": "2147483648"}, "PublishAllPorts": false, "PortBindings": nil, "VolumesFrom": nil,
		"RestartPolicy": map[string]any{"Name": "no", "MaximumRetryCount": 0.0},
		"Tmpfs": map[string]any{
			"/run/headrace": "rw,nosuid,nodev,noexec,size=16777252,mode=0700,uid=1000,gid=1000",
			"/cache":        "rw,nosuid,nodev,exec,size=1048576,mode=0755,uid=1000,gid=1000",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("host config (-want +got):\n%s", diff)
	}
	got = pick(container, "User", "Tty", "OpenStdin", "StdinOnce", "Image", "Hostname", "Env", "WorkingDir")
	want = map[string]any{
		"User": "1000:1000", "Tty": false, "OpenStdin": true, "StdinOnce": true, "Image": "sha256:1", "Hostname": "job-12", "WorkingDir": "/",
		"Env": []any{
			"HOME=/home/travis", "TMPDIR=/tmp", "USER=travis", "LOGNAME=travis", "SHELL=/bin/bash", "TERM=xterm-256color", "CI=true",
			"CONTINUOUS_INTEGRATION=true", "LANG=C.UTF-8",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	name, _ := network["Name"].(string)
	if !strings.HasPrefix(name, "hr-") || len(name) > 15 || pick(host, "NetworkMode")["NetworkMode"] != name {
		t.Errorf("the network's name is %q, the container's %v", name, pick(host, "NetworkMode"))
	}
	options := pick(network["Options"], "com.docker.network.bridge.name", "com.docker.network.bridge.enable_icc")
	if diff := cmp.Diff(map[string]any{"com.docker.network.bridge.name": name, "com.docker.network.bridge.enable_icc": "false"}, options); diff != "" {
		t.Errorf("options of the network (-want +got):\n%s", diff)
	}
	if text, err := json.Marshal(network["IPAM"]); err != nil || !strings.Contains(string(text), `"Subnet":"10.99.0.`) || !strings.Contains(string(text), `/28"`) {
		t.Errorf("addresses: %s, %v", text, err)
	}
	for _, a := range r.asked {
		if strings.Contains(string(a.body), canary) || strings.Contains(a.path, canary) {
			t.Errorf("%s %s holds a secret: %s", a.method, a.path, a.body)
		}
	}
	if len(r.find(http.MethodDelete, "")) < 2 {
		t.Error("what was made for a job that did not start is not removed")
	}
}

func TestRequest_privileged(t *testing.T) {
	t.Parallel()
	marked := func(c *docker.Config) { c.Privileged = true }
	cases := []struct {
		name   string
		change func(*docker.Config)
		spec   executor.Spec
		want   bool
	}{
		{"a usual queue", nil, executor.Spec{}, false},
		{"a marked queue", marked, executor.Spec{}, true},
		{"a stranger's job in a marked queue", marked, executor.Spec{Untrusted: true}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			container, _, _ := record(t, c.change, c.spec)
			host := pick(container["HostConfig"], "Privileged", "CapDrop")
			if host["Privileged"] != c.want || (container["User"] == "0:0") != c.want || (host["CapDrop"] == nil) != c.want {
				t.Errorf("privileged: %v, user %v, dropped %v", host["Privileged"], container["User"], host["CapDrop"])
			}
		})
	}
}

func TestRequest_sudo(t *testing.T) {
	t.Parallel()
	sudo := func(c *docker.Config) { c.Sudo = true }
	container, _, _ := record(t, sudo, executor.Spec{})
	want := map[string]any{
		"Privileged": false, "CapDrop": []any{"ALL"}, "SecurityOpt": nil,
		"CapAdd": []any{"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"},
	}
	if diff := cmp.Diff(want, pick(container["HostConfig"], "Privileged", "CapAdd", "CapDrop", "SecurityOpt")); diff != "" || container["User"] != "1000:1000" {
		t.Errorf("user %v, host config (-want +got):\n%s", container["User"], diff)
	}
	container, _, _ = record(t, sudo, executor.Spec{Untrusted: true})
	if host := pick(container["HostConfig"], "CapAdd", "SecurityOpt"); host["CapAdd"] != nil || host["SecurityOpt"] == nil {
		t.Errorf("a stranger's job gets %v", host)
	}
}

func TestOpen_engineAway(t *testing.T) {
	t.Parallel()
	e, err := docker.Open(t.Context(), docker.Config{Host: "unix://" + t.TempDir() + "/none", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if why, _ := e.Trouble(); !strings.Contains(why, "does not answer") {
		t.Errorf("Trouble = %q", why)
	}
	_, err = e.Start(t.Context(), executor.Spec{JobID: 1, Attempt: 1, Output: io.Discard})
	if !errors.Is(err, executor.ErrAway) {
		t.Errorf("Start = %v", err)
	}
}
