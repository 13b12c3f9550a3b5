package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/lib/pq" // the driver with which the database is asked

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/internal/testkit/servers"
)

// patience bounds every wait.
const patience = time.Minute

// rig is the servers, and where processes of Headrace have their files.
type rig struct {
	headrace, self string
	dir            string
	stderr         io.Writer
	postgres       *servers.Server
	redis          *servers.Server
	rabbit         *servers.RabbitMQ
	databases      int
}

// openRig starts the servers as one would run them: PostgreSQL waits for its disk.
func openRig(ctx context.Context, headrace string, stderr io.Writer) (*rig, error) {
	r := &rig{stderr: stderr}
	var err error
	if r.headrace, err = filepath.Abs(headrace); err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.headrace); err != nil {
		return nil, fmt.Errorf("there is no %s: make build makes it", headrace)
	}
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "headrace-bench-"); err != nil {
		return nil, err
	}
	g := run.NewGroup(ctx)
	g.Go("postgres", func(ctx context.Context) (err error) {
		r.postgres, err = servers.StartPostgres(ctx, servers.Durable)
		return err
	})
	g.Go("redis", func(ctx context.Context) (err error) {
		r.redis, err = servers.StartRedis(ctx)
		return err
	})
	g.Go("rabbitmq", func(ctx context.Context) (err error) {
		r.rabbit, err = servers.StartRabbitMQ(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) close() error {
	var errs []error
	if r.rabbit != nil {
		errs = append(errs, r.rabbit.Close())
	}
	for _, s := range []*servers.Server{r.postgres, r.redis} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}

// database makes an empty database and returns its URL.
func (r *rig) database(ctx context.Context) (string, error) {
	r.databases++
	name := fmt.Sprintf("bench%d", r.databases)
	admin, err := sql.Open("postgres", r.postgres.URL())
	if err != nil {
		return "", err
	}
	defer admin.Close()
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(r.postgres.URL())
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// vhost makes a virtual host and returns its URL.
func (r *rig) vhost(ctx context.Context) (string, error) {
	name := "bench" + strings.ToLower(rand.Text()[:8])
	u, err := url.Parse(r.rabbit.URL())
	if err != nil {
		return "", err
	}
	if _, err := r.rabbit.Manage(ctx, http.MethodPut, "/api/vhosts/"+name, "{}"); err != nil {
		return "", err
	}
	all := `{"configure":".*","write":".*","read":".*"}`
	if _, err := r.rabbit.Manage(ctx, http.MethodPut, "/api/permissions/"+name+"/"+u.User.Username(), all); err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// process is a running headrace.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// start starts headrace with an environment of its own.
func (r *rig) start(name string, env []string, args ...string) (*process, error) {
	p := &process{log: filepath.Join(r.dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own handle
	p.cmd = exec.Command(r.headrace, args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LANG=C.UTF-8"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the process in order, or by force where that takes too long.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(patience / 4)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// tail is the end of what the process wrote.
func (p *process) tail() string {
	body, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(body[max(0, len(body)-2000):])
}

// house is a node of Headrace on a fresh database and virtual host, and its workers.
type house struct {
	rig     *rig
	name    string
	url     string
	token   string
	env     []string
	amqp    string
	db      *sql.DB
	dbURL   string
	node    *process
	workers []*process
}

// house starts a node.
func (r *rig) house(ctx context.Context, name string, env ...string) (h *house, err error) {
	h = &house{rig: r, name: name}
	if h.dbURL, err = r.database(ctx); err != nil {
		return nil, err
	}
	if h.amqp, err = r.vhost(ctx); err != nil {
		return nil, err
	}
	ui, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dashboard, err := freeAddress()
	if err != nil {
		return nil, err
	}
	h.url = "http://" + ui
	h.env = append([]string{
		"HEADRACE_POSTGRES_URL=" + h.dbURL, "HEADRACE_REDIS_URL=" + strings.TrimSuffix(r.redis.URL(), "/0") + fmt.Sprintf("/%d", r.databases),
		"HEADRACE_AMQP_URL=" + h.amqp, "HEADRACE_DATA_DIR=" + filepath.Join(r.dir, name), "HEADRACE_LISTEN_HTTP=" + ui, "HEADRACE_LISTEN_HTTPS=",
		"HEADRACE_LISTEN_DASHBOARD=" + dashboard, "HEADRACE_ADMIN_PASSWORD=" + rand.Text(), "HEADRACE_LOG_LEVEL=warn",
	}, env...)
	if h.db, err = sql.Open("postgres", h.dbURL); err != nil {
		return nil, err
	}
	if h.node, err = r.start(name, h.env, "platform"); err != nil {
		return nil, errors.Join(err, h.db.Close())
	}
	if err := h.settle(ctx); err != nil {
		h.close()
		return nil, fmt.Errorf("%w\n%s", err, h.node.tail())
	}
	return h, nil
}

// settle waits until the node is ready and takes a token.
func (h *house) settle(ctx context.Context) error {
	err := until(ctx, "the node is ready", func(ctx context.Context) (bool, error) {
		status, _, err := h.call(ctx, http.MethodGet, h.url+"/readyz", nil)
		return err == nil && status == http.StatusOK, nil
	})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, h.rig.headrace, "admin", "create-token")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.rig.dir}, h.env...)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("create a token: %w: %s", err, out)
	}
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		return errors.New("create a token: nothing was printed")
	}
	h.token = lines[len(lines)-1]
	return nil
}

// worker starts a worker that runs so many jobs at a time.
func (h *house) worker(slots int) (*process, error) {
	p, err := h.rig.worker(fmt.Sprintf("%s-worker%d", h.name, len(h.workers)+1), h.amqp, slots)
	if err == nil {
		h.workers = append(h.workers, p)
	}
	return p, err
}

// worker starts a worker on a virtual host.
func (r *rig) worker(name, amqp string, slots int) (*process, error) {
	return r.start(name, []string{
		"HEADRACE_AMQP_URL=" + amqp, "HEADRACE_DATA_DIR=" + filepath.Join(r.dir, name), fmt.Sprintf("HEADRACE_POOL_SIZE=%d", slots),
		"HEADRACE_EXECUTOR=local", "HEADRACE_WORKER_NAME=" + name, "HEADRACE_LOG_LEVEL=warn",
	}, "worker")
}

func (h *house) close() {
	for _, w := range h.workers {
		w.stop()
	}
	h.node.stop()
	_ = h.db.Close()
}

// call does one request and returns status and body.
func (h *house) call(ctx context.Context, method, address string, body []byte, header ...string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if h.token != "" {
		req.Header.Set("Authorization", "token "+h.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// post sends JSON to the API, wants the status and reads the answer into out.
func (h *house) post(ctx context.Context, path string, want int, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	status, text, err := h.call(ctx, http.MethodPost, h.url+"/api"+path, body, "Content-Type", "application/json")
	if err != nil {
		return err
	}
	if status != want {
		return fmt.Errorf("%s answers %d: %.300s", path, status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// repository makes a git repository with one commit and adds it; it returns the id of the commit.
func (h *house) repository(ctx context.Context, slug string, config string) (sha string, err error) {
	dir := filepath.Join(h.rig.dir, h.name+"-source", filepath.Base(slug))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, ".travis.yml"), []byte(config), 0o644); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"add", "--all"},
		{"-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "-m", "First"}, {"rev-parse", "HEAD"},
	} {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		sha = strings.TrimSpace(string(out))
	}
	return sha, h.post(ctx, "/repos", http.StatusCreated, map[string]any{"repository": map[string]string{"slug": slug, "source_url": "file://" + dir}}, nil)
}

// until asks again and again until something is so.
func until(ctx context.Context, what string, f func(context.Context) (bool, error)) error {
	return within(ctx, patience, what, f)
}

func within(ctx context.Context, most time.Duration, what string, f func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it was not so within %s: %s", most, what))
	defer cancel()
	for {
		ok, err := f(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if ok || err != nil {
			return err
		}
		if run.Pause(ctx, 5*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
