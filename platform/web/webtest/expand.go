package webtest

import (
	"context"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake"
)

// Expand is the build language itself: it needs neither a store nor a repository.
func Expand(ctx context.Context, text []byte, as ci.ExpandAs) ci.Expansion {
	return intake.New(nil, nil, nil, intake.Config{}).Preview(ctx, text, as)
}
