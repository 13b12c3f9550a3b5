package servers

import (
	"context"
	"fmt"
	"strconv"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// RedisDatabases is how many numbered databases a Redis server of this package has.
const RedisDatabases = 4096

// StartRedis starts a Redis server. It keeps nothing over a restart.
func StartRedis(ctx context.Context) (*Server, error) {
	program, err := lookup("redis-server")
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := newDir("redis", who)
	if err != nil {
		return nil, err
	}
	s := &Server{name: "redis", dir: dir, who: who, stopBy: syscall.SIGTERM, discardBy: syscall.SIGKILL, url: fmt.Sprintf("redis://127.0.0.1:%d/0", port)}
	s.argv = []string{
		program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--databases", strconv.Itoa(RedisDatabases), "--dir", dir,
	}
	s.ready = func(ctx context.Context) error {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(port), MaxRetries: -1})
		defer client.Close()
		return client.Ping(ctx).Err()
	}
	if err := s.Start(ctx); err != nil {
		return nil, s.abandon(err)
	}
	return s, nil
}
