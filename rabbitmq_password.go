package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform"
)

type rabbitMQPasswordCommand struct {
	adminFlags
	ScriptToken bool `help:"The token with which foreign workers get build scripts, in place of the password."`
	Rotate      bool `help:"Make a new token first. The one before is taken for 24 hours more, or until the next --rotate."`
	JSON        bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (rabbitMQPasswordCommand) Help() string {
	return "Example: headrace admin rabbitmq-password --script-token"
}

// Run shows the password or the token.
func (c rabbitMQPasswordCommand) Run(ctx context.Context, t terminal) error {
	if c.ScriptToken {
		return c.token(ctx, t)
	}
	if c.Rotate {
		return fault.New(fault.Invalid, "--rotate is for the token: write --script-token --rotate. The password is changed in RabbitMQ itself, then in amqp_url.")
	}
	password, err := c.password(t)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, map[string]string{"password": password})
	}
	_, err = fmt.Fprintln(t.out, password)
	return err
}

func (c rabbitMQPasswordCommand) password(t terminal) (string, error) {
	s, err := c.settings(t)
	if err != nil {
		return "", err
	}
	if s.AMQPURL == "" {
		return "", fault.New(fault.NotFound, "This node uses no RabbitMQ: amqp_url is not set. Workers of other machines need one.")
	}
	u, err := url.Parse(string(s.AMQPURL))
	if err != nil {
		return "", fault.New(fault.Invalid, "amqp_url cannot be read. It looks like amqp://user:password@host:5672/vhost.")
	}
	password, ok := u.User.Password()
	if !ok {
		return "", fault.New(fault.NotFound, "amqp_url names no password.")
	}
	return password, nil
}

// shownToken is the token as it is printed.
type shownToken struct {
	Token string `json:"script_token"`
	// BeforeUntil is when the token before is not taken any more.
	BeforeUntil *time.Time `json:"before_until,omitempty"`
}

// token shows the token; with --rotate a new one.
func (c rabbitMQPasswordCommand) token(ctx context.Context, t terminal) error {
	s, err := c.settings(t)
	if err != nil {
		return err
	}
	if err := s.FindKey(); err != nil {
		return err
	}
	opened, err := platform.OpenStore(ctx, s, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	shown := shownToken{}
	if c.Rotate {
		var until time.Time
		if shown.Token, until, err = opened.ReplaceScriptToken(ctx); !until.IsZero() {
			shown.BeforeUntil = &until
		}
	} else {
		shown.Token, err = opened.ScriptToken(ctx)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, shown)
	}
	if shown.BeforeUntil != nil { // beside the token, which may be read by a program
		_, _ = fmt.Fprintf(t.err, "The token before is taken until %s. To end it at once, run this again.\n", shown.BeforeUntil.Format(time.RFC3339))
	}
	_, err = fmt.Fprintln(t.out, shown.Token)
	return err
}
