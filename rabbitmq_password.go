package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/headrace/headrace/internal/fault"
)

type rabbitMQPasswordCommand struct {
	adminFlags
	ScriptToken bool `help:"The token with which foreign workers get build scripts, in place of the password."`
	JSON        bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (rabbitMQPasswordCommand) Help() string {
	return "Example: headrace admin rabbitmq-password --script-token"
}

// Run shows the password or the token.
func (c rabbitMQPasswordCommand) Run(ctx context.Context, t terminal) error {
	name, find := "password", c.password
	if c.ScriptToken {
		name, find = "script_token", c.token
	}
	secret, err := find(ctx, t)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, map[string]string{name: secret})
	}
	_, err = fmt.Fprintln(t.out, secret)
	return err
}

func (c rabbitMQPasswordCommand) password(_ context.Context, t terminal) (string, error) {
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

func (c rabbitMQPasswordCommand) token(ctx context.Context, t terminal) (string, error) {
	opened, _, err := c.open(ctx, t)
	if err != nil {
		return "", err
	}
	defer func() { _ = opened.Close() }()
	return opened.ScriptToken(ctx)
}
