package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// script asks for the script of the job, again and again for a while, whatever the error is.
func (t *task) script(ctx context.Context) ([]byte, error) {
	var errs []error
	for n := range t.config.ScriptTries {
		text, err := t.askScript(ctx)
		if err == nil || ctx.Err() != nil {
			return text, nil
		}
		errs = append(errs, err)
		wait(ctx, time.Duration(n+1)*50*time.Millisecond)
	}
	return nil, errors.Join(errs...)
}

func (t *task) askScript(ctx context.Context) ([]byte, error) {
	u, err := url.Parse(t.config.BuildAPI)
	if err != nil {
		return nil, err
	}
	token := ""
	if u.User != nil {
		token, u.User = u.User.Username(), nil
	}
	query := u.Query()
	query.Set("job_id", fmt.Sprint(t.payload.Job.ID))
	query.Set("source", "worker")
	u.RawQuery = query.Encode()
	body, err := enriched(t.delivery.Body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "worker-go v=6.2.24 rev=double d=today")
	if token != "" {
		req.Header.Set("Authorization", "token "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("the script endpoint answers %s: %s", resp.Status, text)
	}
	return text, err
}

// enriched is the message with its keys sorted and the worker's own settings.
func enriched(message []byte) ([]byte, error) {
	var all map[string]any
	decoder := json.NewDecoder(bytes.NewReader(message))
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	for _, key := range []string{"paranoid", "fix_resolv_conf", "fix_etc_hosts"} {
		all[key] = false
	}
	return json.Marshal(all)
}

// output collects what a script prints.
type output struct {
	mu sync.Mutex
	b  []byte
}

// Write takes output.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p...)
	return len(p), nil
}

func (o *output) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.b
	o.b = nil
	return b
}
