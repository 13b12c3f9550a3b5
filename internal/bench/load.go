package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/internal/run"
)

// loaded is what a load of requests came to.
type loaded struct {
	answers int
	took    time.Duration
	delays  spread
	checks  checks
}

// ask is one request, written out, and what its answer must be.
type ask struct {
	host  string
	bytes []byte
	fine  func(status int, body []byte) error
}

// newAsk writes a request out. fine says what is wrong with an answer.
func newAsk(method, address, token string, body []byte, fine func(int, []byte) error, header ...string) (ask, error) {
	u, err := url.Parse(address)
	if err != nil {
		return ask{}, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, u.RequestURI(), u.Host)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: token %s\r\n", token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return ask{host: u.Host, bytes: b.Bytes(), fine: fine}, nil
}

// same wants each answer to be 200 and equal to the first one.
func same() func(int, []byte) error {
	var first atomic.Pointer[[]byte]
	return func(status int, body []byte) error {
		if status != http.StatusOK || len(body) == 0 {
			return fmt.Errorf("answer %d: %.200s", status, body)
		}
		if first.Load() == nil {
			first.CompareAndSwap(nil, new(bytes.Clone(body)))
		}
		if !bytes.Equal(*first.Load(), body) {
			return fmt.Errorf("answers differ: %.200s", body)
		}
		return nil
	}
}

// drive sends requests over so many kept connections: until as many as wanted are answered, or for so long. next gives the
// n-th request.
func drive(ctx context.Context, connections, most int, within time.Duration, next func(n int) (ask, error)) (loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var count atomic.Int64
	var mu sync.Mutex
	var all loaded
	began := time.Now()
	g := run.NewGroup(ctx)
	for range connections {
		g.Go("connection", func(ctx context.Context) error {
			var own loaded
			err := own.connection(ctx, &count, most, next)
			mu.Lock()
			defer mu.Unlock()
			all.answers += own.answers
			all.delays = append(all.delays, own.delays...)
			all.checks.add(own.checks)
			return err
		})
	}
	err := g.Wait()
	all.took = time.Since(began)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return all, err
}

// add takes over what others have checked.
func (c *checks) add(other checks) {
	c.checked, c.of = c.checked+other.checked, c.of+other.of
	c.trouble = append(c.trouble, other.trouble[:min(len(other.trouble), max(5-len(c.trouble), 0))]...)
}

// connection asks over one connection.
func (l *loaded) connection(ctx context.Context, count *atomic.Int64, most int, next func(n int) (ask, error)) error {
	var conn net.Conn
	var reader *bufio.Reader
	var body bytes.Buffer
	for ctx.Err() == nil {
		n := int(count.Add(1))
		if most > 0 && n > most {
			break
		}
		a, err := next(n - 1)
		if err != nil {
			return err
		}
		if conn == nil {
			if conn, err = new(net.Dialer).DialContext(ctx, "tcp", a.host); err != nil {
				return err
			}
			defer conn.Close()
			reader = bufio.NewReaderSize(conn, 64<<10)
		}
		began := time.Now()
		status, err := a.do(conn, reader, &body)
		if err != nil {
			return err
		}
		l.delays = append(l.delays, time.Since(began))
		l.answers++
		err = a.fine(status, body.Bytes())
		l.checks.check(err == nil, "%v", err)
	}
	return nil
}

// do sends the request and reads the whole answer.
func (a ask) do(conn net.Conn, reader *bufio.Reader, body *bytes.Buffer) (status int, err error) {
	const patience = 30 * time.Second
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(a.bytes); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, err
	}
	body.Reset()
	if _, err := io.Copy(body, answer.Body); err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}
