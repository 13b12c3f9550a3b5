package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/run"
)

// measureLog measures how fast a log of 20 MB is stored, whether a byte of it is missing, and how long after they were
// written a viewer sees lines that come at 5 MB/s.
func measureLog(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.house(ctx, "log")
	if err != nil {
		return nil, err
	}
	defer h.close()
	sha, err := h.repository(ctx, "acme/app", trivial)
	if err != nil {
		return nil, err
	}
	if _, err := h.worker(2); err != nil {
		return nil, err
	}
	if err := h.build(ctx, map[string]any{"branch": "main"}); err != nil {
		return nil, err
	}
	stored, err := h.bigLog(ctx, sha, o.n(20_000_000, 500_000), o.n(3, 1))
	if err != nil {
		return nil, err
	}
	seen, err := h.viewers(ctx, sha, o.n(5_000_000, 500_000), o.n(5, 1))
	return []figure{stored, seen}, err
}

// shell asks for a build that runs one command and returns the job when there is one.
func (h *house) shell(ctx context.Context, sha, command string) (job int64, err error) {
	config, err := json.Marshal(map[string]any{"language": "shell", "script": command})
	if err != nil {
		return 0, err
	}
	id, err := h.trigger(ctx, map[string]any{"branch": "main", "sha": sha, "config": string(config), "merge_mode": "replace"})
	if err != nil {
		return 0, err
	}
	return job, until(ctx, "the build is made", func(ctx context.Context) (bool, error) {
		err := h.db.QueryRowContext(ctx, "SELECT COALESCE(min(j.id), 0) FROM jobs j JOIN builds b ON b.id = j.build_id WHERE b.request_id = $1", id).Scan(&job)
		return job != 0, err
	})
}

// text makes lines of which no two are the same.
func text(size int) []byte {
	var b bytes.Buffer
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "line %08d: the race leads the water to the wheel, and the wheel turns the stone, %08x\n", n, n*2654435761)
	}
	return b.Bytes()
}

func (h *house) bigLog(ctx context.Context, sha string, size, times int) (figure, error) {
	want := text(size)
	path := h.rig.path("big.txt")
	if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // the worker reads it
		return figure{}, err
	}
	var rates spread
	var missing int
	f := figure{Name: "20 MB log, stored", Aim: "40 MB/s, 0 bytes lost", Things: "bytes", Beside: []string{rawCopy, rawInsert, rawMessages}}
	for range times {
		job, err := h.shell(ctx, sha, "cat "+path)
		if err != nil {
			return f, err
		}
		var started time.Time
		err = until(ctx, "the big log is whole", func(ctx context.Context) (bool, error) {
			var closed bool
			err := h.db.QueryRowContext(ctx, `SELECT COALESCE((SELECT closed FROM logs WHERE job_id = $1 AND attempt = 1), FALSE) AND state = 'passed', COALESCE(started_at, now())
				FROM jobs WHERE id = $1`, job).Scan(&closed, &started)
			return closed, err
		})
		if err != nil {
			return f, err
		}
		rates = append(rates, time.Since(started))
		status, body, err := h.call(ctx, http.MethodGet, fmt.Sprintf("%s/api/job/%d/log.txt", h.url, job), nil)
		if err != nil || status != http.StatusOK {
			return f, fmt.Errorf("the big log answers %d: %w", status, err)
		}
		found := kept(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), want)
		f.Checked, f.Of, missing = f.Checked+found, f.Of+len(want), missing+len(want)-found
	}
	f.Amounts = []amount{{"", float64(len(want)) / 1e6 / rates.at(50).Seconds(), "MB/s"}, {"lost", float64(missing), "bytes"}}
	return f, nil
}

// kept is how many bytes of the text stand in the log, line by line in order.
func kept(log, want []byte) (n int) {
	if bytes.Contains(log, want) {
		return len(want)
	}
	for line := range bytes.Lines(want) {
		i := bytes.Index(log, line)
		if i < 0 {
			continue
		}
		n, log = n+len(line), log[i+len(line):]
	}
	return n
}

// emit writes lines of 100 bytes at a rate for some seconds; each says its number and when it was written.
func emit(ctx context.Context, args []string, out io.Writer) (code int, err error) {
	if len(args) != 2 {
		return 2, errors.New("give bytes per second, and seconds")
	}
	rate, err := strconv.Atoi(args[0])
	if err != nil {
		return 2, err
	}
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return 2, err
	}
	const width, slice = 100, 10 * time.Millisecond
	w := bufio.NewWriterSize(out, 64<<10)
	filler := strings.Repeat("~", width)
	began := time.Now()
	for n := 0; n < rate*seconds/width; {
		due := int(time.Since(began).Seconds() * float64(rate) / width)
		now := time.Now().UnixNano()
		for ; n < min(due, rate*seconds/width); n++ {
			line := fmt.Sprintf("#%d %d ", n, now)
			_, _ = w.WriteString(line + filler[:width-1-len(line)] + "\n")
		}
		if err := w.Flush(); err != nil {
			return 1, err
		}
		if err := run.Pause(ctx, slice); err != nil {
			return 1, err
		}
	}
	return 0, nil
}

// viewers follows a log as a browser does.
func (h *house) viewers(ctx context.Context, sha string, rate, seconds int) (figure, error) {
	job, err := h.shell(ctx, sha, fmt.Sprintf("%s emit %d %d", h.rig.self, rate, seconds))
	if err != nil {
		return figure{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience+time.Duration(seconds)*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/job/%d/log/stream", h.url, job), nil)
	if err != nil {
		return figure{}, err
	}
	req.Header.Set("Authorization", "token "+h.token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return figure{}, err
	}
	defer answer.Body.Close()
	v := viewer{}
	if err := v.read(answer.Body); err != nil {
		return figure{}, err
	}
	want := rate * seconds / 100
	v.checks.check(v.next == want, "%d lines were seen, %d were written", v.next, want)
	return v.checks.figure(fmt.Sprintf("viewer of a log of %s MB/s, behind it", number(float64(rate)/1e6)), "150 ms", "lines in order",
		[]string{rawDeliver, rawCommit, rawRedis}, append(v.delays.amounts(), amount{"worst", ms(v.delays.at(100)), "ms"})...), nil
}

// viewer reads the events of a log.
type viewer struct {
	rest   string // an unfinished line
	next   int    // the number of the next line
	delays spread
	checks checks
}

func (v *viewer) read(body io.Reader) error {
	in := bufio.NewReaderSize(body, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("the stream broke off: %w", err)
		}
		if strings.HasPrefix(line, "event: end") {
			return nil
		}
		data, found := strings.CutPrefix(line, "data: ")
		if !found {
			continue
		}
		now := time.Now().UnixNano()
		var part struct {
			Content string `json:"content"`
		}
		if err := json.Unmarshal([]byte(data), &part); err != nil {
			return err
		}
		v.lines(part.Content, now)
	}
}

// lines takes what came at a time.
func (v *viewer) lines(content string, now int64) {
	all := strings.Split(v.rest+content, "\n")
	v.rest = all[len(all)-1]
	for _, line := range all[:len(all)-1] {
		var n int
		var at int64
		if _, err := fmt.Sscanf(line, "#%d %d ", &n, &at); err != nil {
			continue // what the script itself says
		}
		v.checks.check(n == v.next, "line %d came where %d was next", n, v.next)
		v.next = n + 1
		v.delays = append(v.delays, time.Duration(now-at))
	}
}
