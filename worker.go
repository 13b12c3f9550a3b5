package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/worker"
	"github.com/headrace/headrace/worker/script"
)

// workerCommands are about the worker on this machine.
type workerCommands struct {
	Run     workerCommand         `cmd:"" default:"withargs" help:"Run it; headrace worker alone does the same."`
	Status  workerStatusCommand   `cmd:"" help:"How the worker on this machine stands, and what it runs."`
	Drain   workerDrainCommand    `cmd:"" help:"Let its running jobs end, and let it take no new ones; then it ends."`
	Image   workerImageCommands   `cmd:"" help:"The images that jobs run in."`
	Network workerNetworkCommands `cmd:"" help:"What jobs in containers can reach."`
}

// workerCommand runs a worker. Environment names are those of the contract.
type workerCommand struct {
	AMQPURL          string        `help:"amqp://user:password@host:5672/vhost, amqps:// for TLS." env:"HEADRACE_AMQP_URL" name:"amqp-url" placeholder:"URL"`
	AMQPURLFile      string        `help:"File that holds that URL, - for standard input." env:"HEADRACE_AMQP_URL_FILE" name:"amqp-url-file" placeholder:"FILE"`
	PlatformHost     string        `help:"Host of the platform, or several with commas between them; with the RabbitMQ password in place of a URL." env:"HEADRACE_PLATFORM_HOST" placeholder:"HOST"`
	RabbitMQPassword string        `help:"RabbitMQ password of the platform; better from a file." env:"HEADRACE_RABBITMQ_PASSWORD" name:"rabbitmq-password" placeholder:"PASSWORD"`
	RabbitMQFile     string        `help:"File that holds the RabbitMQ password, - for standard input." env:"HEADRACE_RABBITMQ_PASSWORD_FILE" name:"rabbitmq-password-file" placeholder:"FILE"`
	TLSCA            string        `help:"PEM file of the authority that signed RabbitMQ's certificate." env:"HEADRACE_AMQP_TLS_CA" name:"amqp-tls-ca" placeholder:"FILE"`
	TLSCert          string        `help:"PEM file with our certificate for RabbitMQ." env:"HEADRACE_AMQP_TLS_CERT" name:"amqp-tls-cert" placeholder:"FILE"`
	TLSKey           string        `help:"PEM file with its key." env:"HEADRACE_AMQP_TLS_KEY" name:"amqp-tls-key" placeholder:"FILE"`
	Queue            string        `help:"Queue to take jobs from." env:"HEADRACE_QUEUE" default:"builds.linux"`
	PoolSize         int           `help:"How many jobs at a time; default: the number of CPUs." env:"HEADRACE_POOL_SIZE"`
	Executor         string        `help:"What runs the jobs: docker, or local (no isolation)." env:"HEADRACE_EXECUTOR" default:"docker" enum:"docker,local"`
	Name             string        `help:"Name for people; default: the host's." env:"HEADRACE_WORKER_NAME"`
	DataDir          string        `help:"Where work directories are made, and the socket of its status." env:"HEADRACE_DATA_DIR" default:"/var/lib/headrace-worker"`
	Health           string        `help:"Address that answers /healthz and /readyz; none by default." env:"HEADRACE_HEALTH" placeholder:"ADDR"`
	JobTimeout       time.Duration `help:"How long a job may run where it does not say so itself." env:"HEADRACE_JOB_TIMEOUT" default:"50m"`
	LogSilence       time.Duration `help:"How long a job's log may be silent." env:"HEADRACE_JOB_LOG_SILENCE" default:"10m"`
	LogLimit         int64         `help:"How many bytes a job's log may have." env:"HEADRACE_JOB_LOG_LIMIT" default:"67108864"`
	LogLevel         string        `help:"debug, info, warn or error." env:"HEADRACE_LOG_LEVEL" default:"info" enum:"debug,info,warn,error"`
	Docker           dockerFlags   `embed:""`
}

// Help shows an example.
func (workerCommand) Help() string {
	return "Example: headrace worker --platform-host ci.example.com --rabbitmq-password-file password.txt"
}

// Run runs the worker until it is told to stop.
func (c workerCommand) Run(ctx context.Context, t terminal) error {
	log := newLog(t, c.LogLevel, "text")
	address, err := c.address(t)
	if err != nil {
		return err
	}
	tlsConfig, err := dial.TLS(dial.TLSFiles{CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey})
	if err != nil {
		return err
	}
	carrier, err := rabbitmq.New(rabbitmq.Config{URL: address, TLS: tlsConfig, Name: "headrace worker", Log: log})
	if err != nil {
		return err
	}
	health, err := openHealth(ctx, c.Health)
	if err != nil {
		return err
	}
	return c.serve(ctx, carrier, brokerHosts(address), health, log)
}

func (c workerCommand) address(t terminal) (string, error) {
	if c.AMQPURLFile != "" {
		return readSecret(t, c.AMQPURLFile)
	}
	if c.AMQPURL != "" {
		return c.AMQPURL, nil
	}
	password := c.RabbitMQPassword
	if c.RabbitMQFile != "" {
		var err error
		if password, err = readSecret(t, c.RabbitMQFile); err != nil {
			return "", err
		}
	}
	if c.PlatformHost == "" || password == "" {
		return "", fault.New(fault.Invalid, "Where is RabbitMQ? Give --platform-host and --rabbitmq-password-file, or --amqp-url-file.")
	}
	hosts, err := platformHosts(c.PlatformHost)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "amqps", User: url.UserPassword("travis", password), Host: hosts, Path: "/travis"}
	return u.String(), nil
}

// platformHosts gives each host of the list the port of RabbitMQ's TLS, unless it has one.
func platformHosts(list string) (string, error) {
	var hosts []string
	for host := range strings.SplitSeq(list, ",") {
		host = strings.TrimSpace(host)
		if host == "" || strings.ContainsAny(host, "/@ ") {
			return "", fault.New(fault.Invalid, "--platform-host is a host name, or several with commas between them. For a whole URL there is --amqp-url-file.")
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "5671")
		}
		hosts = append(hosts, host)
	}
	return strings.Join(hosts, ","), nil
}

// serve runs the worker. The first signal lets running jobs end and takes no new ones; the second gives them back at once.
func (c workerCommand) serve(ctx context.Context, carrier broker.Carrier, hosts []string, health net.Listener, log *slog.Logger) error {
	w, done, err := newWorker(ctx, carrier, workerPlan{
		dir: c.DataDir, name: c.Name, queue: c.Queue, slots: c.PoolSize, executor: c.Executor, docker: c.Docker, broker: hosts,
		timeout: c.JobTimeout, silence: c.LogSilence, logLimit: c.LogLimit,
	}, log)
	if err != nil {
		return errors.Join(err, closeHealth(health))
	}
	defer done()
	control := newWorkerControl(w, carrier)
	// The carrier outlives the worker, so that the worker can give its jobs back.
	wires := run.NewGroup(context.WithoutCancel(ctx))
	wires.Go("broker", carrier.Run)
	life := run.NewGroup(context.WithoutCancel(ctx))
	life.Go("signals", func(inner context.Context) error { return drainThenStop(ctx, inner, w, life.Stop, log) })
	life.Go("status socket", func(ctx context.Context) error {
		control.serveSocket(ctx, c.DataDir, log)
		return nil
	})
	if health != nil {
		life.Go("health", func(ctx context.Context) error {
			control.serveHealth(ctx, health, log)
			return nil
		})
	}
	life.Go("worker", func(ctx context.Context) error {
		defer life.Stop()
		return w.Run(ctx)
	})
	err = life.Wait()
	wires.Stop()
	return errors.Join(err, wires.Wait())
}

// drainThenStop drains the worker at the first signal, which ends asked, and calls stop at the second.
func drainThenStop(asked, ended context.Context, w *worker.Worker, stop func(), log *slog.Logger) error {
	select {
	case <-asked.Done():
	case <-ended.Done():
		return nil
	}
	second := make(chan os.Signal, 1)
	signal.Notify(second, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(second)
	log.InfoContext(ended, "draining: running jobs may end, no new ones are taken; a second signal gives them back at once")
	w.Drain()
	select {
	case <-second:
		stop()
	case <-ended.Done():
	}
	return nil
}

// workerPlan is what the worker command and the trial choose for a worker.
type workerPlan struct {
	dir, name, queue string
	slots            int
	timeout, silence time.Duration
	logLimit         int64
	executor         string
	docker           dockerFlags
	broker           []string // servers of the message broker
}

// newWorker wires a worker with its executor; done lets go of its directory.
func newWorker(ctx context.Context, carrier broker.Carrier, p workerPlan, log *slog.Logger) (w *worker.Worker, done func(), err error) {
	if p.name == "" {
		p.name, _ = os.Hostname()
	}
	if p.slots <= 0 {
		p.slots = runtime.NumCPU()
	}
	exec, err := openExecutor(ctx, p, log)
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = exec.Close() }
	w, err = worker.New(carrier, exec, worker.Config{
		Home: exec.Home(), Generation: exec.Generation(), SpoolDir: filepath.Join(p.dir, "spool"), Name: p.name, Queue: p.queue, Slots: p.slots, Version: version,
		HardTimeout: p.timeout, LogSilence: p.silence, LogLimit: p.logLimit, Log: log,
		Generate: func(j broker.Job) ([]byte, error) {
			return script.Generate(j, script.Options{OwnMachine: exec.Isolated()})
		},
	})
	if err != nil {
		done()
		return nil, nil, err
	}
	return w, done, nil
}
