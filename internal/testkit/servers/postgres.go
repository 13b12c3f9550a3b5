package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	_ "github.com/lib/pq" // the driver with which readiness is asked
)

const (
	sqlUser     = "headrace"
	sqlPassword = "headrace-test"
)

// Durability says whether a server waits for its disk.
type Durability bool

const (
	// Fast: what was confirmed may be lost when the machine (not the server) dies. For most tests.
	Fast Durability = false
	// Durable: every confirmation waits for the disk.
	Durable Durability = true
)

// Secured is a user of a PostgreSQL server with certificates who is let in by TLS only, with a certificate of the same
// authority beside the password. A test creates it.
const Secured = "secured"

// StartPostgres starts a PostgreSQL server. With certificates it also takes clients by TLS; see [Secured].
func StartPostgres(ctx context.Context, d Durability, certificates ...Certificates) (*Server, error) {
	initdb, err := lookup("initdb", "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("postgres", who)
	if err != nil {
		return nil, err
	}
	s := &Server{name: "postgres", dir: dir, who: who, stopBy: syscall.SIGINT, discardBy: syscall.SIGQUIT}
	if err := s.initPostgres(ctx, initdb, d); err != nil {
		return nil, s.abandon(err)
	}
	if err := s.securePostgres(certificates); err != nil {
		return nil, s.abandon(err)
	}
	if err := s.Start(ctx); err != nil {
		return nil, s.abandon(err)
	}
	return s, nil
}

func (s *Server) initPostgres(ctx context.Context, initdb string, d Durability) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	secret := filepath.Join(s.dir, "password")
	if err := s.write(secret, sqlPassword); err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	cmd := exec.CommandContext(ctx, initdb, "--pgdata", data, "--username", sqlUser, "--pwfile", secret,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	cmd.Dir, cmd.Env = s.dir, environ(s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.who, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a PostgreSQL database: %w: %s", err, out)
	}
	s.argv = []string{
		filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300",
		"-c", "shared_buffers=64MB", "-c", "max_wal_size=1GB", "-c", "timezone=UTC",
	}
	if d == Fast {
		s.argv = append(s.argv, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	s.url = fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres?sslmode=disable", sqlUser, sqlPassword, port)
	s.ready = func(ctx context.Context) error { return pingSQL(ctx, s.url) }
	return nil
}

func (s *Server) securePostgres(certificates []Certificates) error {
	if len(certificates) == 0 {
		return nil
	}
	ca, cert, key, err := certificates[0].write(s)
	if err != nil {
		return err
	}
	s.argv = append(s.argv, "-c", "ssl=on", "-c", "ssl_ca_file="+ca, "-c", "ssl_cert_file="+cert, "-c", "ssl_key_file="+key)
	return s.write(filepath.Join(s.dir, "data", "pg_hba.conf"), "hostssl all "+Secured+" 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"+
		"host all "+Secured+" 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n")
}

func pingSQL(ctx context.Context, url string) (err error) {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	defer db.Close()
	return db.PingContext(ctx)
}

// write makes a file that belongs to the server's account.
func (s *Server) write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write a file of %s: %w", s.name, err)
	}
	if s.who == nil {
		return nil
	}
	if err := os.Chown(path, int(s.who.Uid), int(s.who.Gid)); err != nil {
		return fmt.Errorf("hand a file of %s over: %w", s.name, err)
	}
	return nil
}
