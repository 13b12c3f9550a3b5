package servers

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"syscall"
)

// StartPgBouncer starts a PgBouncer with transaction pooling before a PostgreSQL server, for all of its databases.
func StartPgBouncer(ctx context.Context, postgres *Server) (*Server, error) {
	program, err := lookup("pgbouncer")
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("pgbouncer", who)
	if err != nil {
		return nil, err
	}
	s := &Server{name: "pgbouncer", dir: dir, who: who, stopBy: syscall.SIGTERM, discardBy: syscall.SIGKILL}
	if err := s.initPgBouncer(program, postgres.URL()); err != nil {
		return nil, s.abandon(err)
	}
	if err := s.Start(ctx); err != nil {
		return nil, s.abandon(err)
	}
	return s, nil
}

func (s *Server) initPgBouncer(program, postgres string) error {
	target, err := url.Parse(postgres)
	if err != nil {
		return fmt.Errorf("read the address of PostgreSQL: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	users, config := filepath.Join(s.dir, "users"), filepath.Join(s.dir, "pgbouncer.ini")
	if err := s.write(users, strconv.Quote(sqlUser)+" "+strconv.Quote(sqlPassword)+"\n"); err != nil {
		return err
	}
	if err := s.write(config, fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = plain
auth_file = %s
pool_mode = transaction
default_pool_size = 10
max_client_conn = 500
server_idle_timeout = 5
ignore_startup_parameters = extra_float_digits
`, target.Port(), port, users)); err != nil {
		return err
	}
	target.Host = "127.0.0.1:" + strconv.Itoa(port)
	s.argv, s.url = []string{program, config}, target.String()
	s.ready = func(ctx context.Context) error { return pingSQL(ctx, s.url) }
	return nil
}
