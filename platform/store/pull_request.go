package store

import (
	"encoding/json"
	"fmt"

	"github.com/headrace/headrace/platform/ci"
)

// encodePull is a pull request as an argument, NULL for none, and what has columns of its own.
func encodePull(p *ci.PullRequest) (object any, number int64, title string, err error) {
	if p == nil {
		return nil, 0, "", nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, 0, "", fmt.Errorf("encode a pull request: %w", err)
	}
	return text(string(b)), p.Number, text(p.Title), nil
}

// decodePull reads a column that may be NULL.
func decodePull(b []byte) (*ci.PullRequest, error) {
	if len(b) == 0 {
		return nil, nil //nolint:nilnil // most builds are of no pull request
	}
	p := &ci.PullRequest{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("read a pull request: %w", err)
	}
	return p, nil
}
