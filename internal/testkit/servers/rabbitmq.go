package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	brokerUser     = "travis"
	brokerPassword = "travis-test"
	brokerVhost    = "travis"
)

// RabbitMQ is a RabbitMQ server with its management API.
type RabbitMQ struct {
	*Server
	management string
	tlsURL     string
}

// TLSURL is how clients reach the server by TLS; empty: not at all.
func (r *RabbitMQ) TLSURL() string { return r.tlsURL }

// ManagementURL is the address of the management API, with user and password.
func (r *RabbitMQ) ManagementURL() string { return r.management }

// StartRabbitMQ starts a RabbitMQ server with the user and virtual host travis, a node name and an epmd of its own. With
// certificates it also takes clients by TLS that show one of the same authority.
func StartRabbitMQ(ctx context.Context, certificates ...Certificates) (*RabbitMQ, error) {
	program, err := lookup("rabbitmq-server", "/usr/lib/rabbitmq/bin")
	if err != nil {
		return nil, err
	}
	// Debian's wrapper in the path insists on its own account; the script behind it does not.
	if inner, err := filepath.Glob("/usr/lib/rabbitmq/bin/rabbitmq-server"); err == nil && len(inner) == 1 {
		program = inner[0]
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("rabbitmq", who)
	if err != nil {
		return nil, err
	}
	r := &RabbitMQ{Server: &Server{name: "rabbitmq", dir: dir, who: who, stopBy: syscall.SIGTERM, discardBy: syscall.SIGKILL}}
	if err := r.init(program, certificates); err != nil {
		return nil, r.abandon(err)
	}
	if err := r.Start(ctx); err != nil {
		return nil, r.abandon(err)
	}
	return r, nil
}

func (r *RabbitMQ) init(program string, certificates []Certificates) error {
	var ports [5]int
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return err
		}
		ports[i] = port
	}
	amqp, http, dist, epmd, secure := ports[0], ports[1], ports[2], ports[3], ports[4]
	r.url = fmt.Sprintf("amqp://%s:%s@127.0.0.1:%d/%s", brokerUser, brokerPassword, amqp, brokerVhost)
	r.management = fmt.Sprintf("http://%s:%s@127.0.0.1:%d", brokerUser, brokerPassword, http)
	secured, err := r.secure(certificates, secure)
	if err != nil {
		return err
	}
	if err := r.configure(amqp, http, secured...); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(r.dir, name) }
	r.argv = []string{program}
	r.env = []string{
		"RABBITMQ_NODENAME=headrace" + strconv.Itoa(amqp) + "@localhost",
		"RABBITMQ_CONFIG_FILE=" + file("rabbitmq.conf"), "RABBITMQ_ADVANCED_CONFIG_FILE=" + file("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_ENABLED_PLUGINS_FILE=" + file("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + file("mnesia"), "RABBITMQ_LOG_BASE=" + file("log"), "RABBITMQ_LOGS=-",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(dist), "ERL_EPMD_PORT=" + strconv.Itoa(epmd), "ERL_EPMD_ADDRESS=127.0.0.1",
		// With input allowed the script becomes the Erlang machine instead of waiting for it, so signals reach the machine.
		"RABBITMQ_ALLOW_INPUT=1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput +sbwt none +sbwtdcpu none +sbwtdio none",
	}
	r.ready = r.answers
	return r.startMapper(epmd)
}

// secure returns the settings for TLS on the port, if there is a certificate.
func (r *RabbitMQ) secure(certificates []Certificates, port int) ([]string, error) {
	if len(certificates) == 0 {
		return nil, nil
	}
	ca, cert, key, err := certificates[0].write(r.Server)
	r.tlsURL = fmt.Sprintf("amqps://%s:%s@127.0.0.1:%d/%s", brokerUser, brokerPassword, port, brokerVhost)
	return []string{
		"listeners.ssl.1 = 127.0.0.1:" + strconv.Itoa(port),
		"ssl_options.cacertfile = " + ca, "ssl_options.certfile = " + cert, "ssl_options.keyfile = " + key,
		"ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true",
	}, err
}

func (r *RabbitMQ) configure(amqp, http int, more ...string) error {
	if err := r.write(filepath.Join(r.dir, "enabled_plugins"), "[rabbitmq_management].\n"); err != nil {
		return err
	}
	return r.write(filepath.Join(r.dir, "rabbitmq.conf"), strings.Join(append(more,
		"listeners.tcp.1 = 127.0.0.1:"+strconv.Itoa(amqp),
		"management.tcp.ip = 127.0.0.1",
		"management.tcp.port = "+strconv.Itoa(http),
		"default_vhost = "+brokerVhost,
		"default_user = "+brokerUser,
		"default_pass = "+brokerPassword,
		"default_user_tags.administrator = true",
		"disk_free_limit.absolute = 50MB",
		"log.console.level = info",
		"",
	), "\n"))
}

// startMapper starts epmd, which Erlang would otherwise leave behind as a daemon.
func (r *RabbitMQ) startMapper(port int) error {
	program, err := lookup("epmd", "/usr/lib/erlang/erts-*/bin")
	if err != nil {
		return err
	}
	p, err := launch(r.dir, "epmd", r.who, nil, program, "-port", strconv.Itoa(port), "-address", "127.0.0.1")
	if err != nil {
		return err
	}
	r.beside = append(r.beside, p)
	return nil
}

// answers asks whether the node has booted: its management API lists the virtual host as running, and clients may connect,
// which comes last.
func (r *RabbitMQ) answers(ctx context.Context) error {
	body, err := r.Manage(ctx, http.MethodGet, "/api/health/checks/virtual-hosts", "")
	if err != nil {
		return err
	}
	if !strings.Contains(body, `"ok"`) {
		return fmt.Errorf("virtual host %s is not up: %s", brokerVhost, body)
	}
	u, err := url.Parse(r.url)
	if err != nil {
		return fmt.Errorf("read the address of RabbitMQ: %w", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return conn.Close()
}

// Control runs rabbitmqctl on the node.
func (r *RabbitMQ) Control(ctx context.Context, args ...string) error {
	program := filepath.Join(filepath.Dir(r.argv[0]), "rabbitmqctl")
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = r.dir, append(environ(r.dir), r.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: r.who, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rabbitmqctl %s: %w: %s", args[0], err, out)
	}
	return nil
}

// Manage calls the management API and returns the answer's text.
func (r *RabbitMQ) Manage(ctx context.Context, method, path, body string) (string, error) {
	return Manage(ctx, r.management, method, path, body)
}

// Manage calls the management API at a base address that holds user and password.
func Manage(ctx context.Context, base, method, path, body string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", errors.New("the address of the RabbitMQ management API cannot be read")
	}
	login := u.User
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, method, u.String()+path, strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("ask RabbitMQ: %w", err)
	}
	password, _ := login.Password()
	req.SetBasicAuth(login.Username(), password)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask RabbitMQ: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("ask RabbitMQ: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("RabbitMQ answers %s %s with %s: %s", method, path, res.Status, text)
	}
	return string(text), nil
}
