package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform"
	"github.com/headrace/headrace/platform/auth"
	"github.com/headrace/headrace/platform/settings"
	"github.com/headrace/headrace/platform/store"
)

type adminCommands struct {
	DeadLetters      deadLetterCommands      `cmd:"" name:"dead-letters" help:"Messages that nothing could be made of: list, show, send again, delete."`
	CreateToken      createTokenCommand      `cmd:"" help:"Make an API token; it is printed as the last line."`
	Queue            queueCommands           `cmd:"" name:"queue" help:"Queues of jobs: list, pause, resume, limit."`
	RabbitMQPassword rabbitMQPasswordCommand `cmd:"" name:"rabbitmq-password" help:"Show what workers need: the password of RabbitMQ, or the token for build scripts."`
	ResetPassword    resetPasswordCommand    `cmd:"" help:"Give a user a new password and end the user's sessions."`
}

// adminFlags find the node whose database an admin command works on.
type adminFlags struct {
	Config  string `help:"Configuration file of the node." env:"HEADRACE_CONFIG" placeholder:"FILE"`
	DataDir string `help:"Data directory of the node." env:"HEADRACE_DATA_DIR" placeholder:"DIR"`
}

// settings reads the node's settings. Who may read those files may do all that admin commands do.
func (f adminFlags) settings(t terminal) (settings.Settings, error) {
	from := settings.Sources{File: f.Config, FileNeeded: f.Config != "", Environment: t.environ, Flags: map[string]string{}}
	switch {
	case f.DataDir != "":
		from.Flags["data_dir"] = f.DataDir
		if f.Config == "" {
			from.File = settings.Settings{DataDir: f.DataDir}.Path("config.json")
		}
	case f.Config == "":
		from.File = defaultConfig
	}
	s, err := settings.Load(from)
	if err != nil {
		return s, err
	}
	return s, s.CheckInitialised()
}

// open opens the node's database.
func (f adminFlags) open(ctx context.Context, t terminal) (*store.Store, *auth.Auth, error) {
	s, err := f.settings(t)
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	opened, err := platform.OpenStore(ctx, s, log)
	if err != nil {
		return nil, nil, err
	}
	a, err := auth.New(opened, auth.Config{Log: log})
	return opened, a, err
}

type createTokenCommand struct {
	adminFlags
	Login string `help:"User that the token acts for." default:"admin"`
	Name  string `help:"What the token is for." default:"made on the command line"`
	JSON  bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (createTokenCommand) Help() string {
	return "Example: headrace admin create-token --data-dir ./.headrace --name deploy"
}

// Run makes the token.
func (c createTokenCommand) Run(ctx context.Context, t terminal) error {
	opened, a, err := c.open(ctx, t)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	user, _, err := opened.UserByLogin(ctx, c.Login)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "There is no user %q.", c.Login)
	}
	if err != nil {
		return err
	}
	secret, token, err := a.CreateToken(ctx, user.ID, c.Name)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, map[string]any{"id": token.ID, "login": c.Login, "name": token.Name, "token": secret})
	}
	_, err = fmt.Fprintf(t.out, "Token %q of %s. It is shown only now:\n%s\n", token.Name, c.Login, secret)
	return err
}

type resetPasswordCommand struct {
	adminFlags
	Login        string `help:"User to give a new password." default:"admin"`
	Operator     bool   `help:"The operator of the dashboard, in place of a user."`
	PasswordFile string `help:"File that holds the new password, - for standard input; without it one is made and printed." placeholder:"FILE"`
}

// Help shows an example.
func (resetPasswordCommand) Help() string {
	return "Example: headrace admin reset-password --data-dir ./.headrace"
}

// Run gives the user a new password.
func (c resetPasswordCommand) Run(ctx context.Context, t terminal) error {
	password := ""
	if c.PasswordFile != "" {
		var err error
		if password, err = readSecret(t, c.PasswordFile); err != nil {
			return err
		}
	}
	who, reset := c.Login, c.user
	if c.Operator {
		who, reset = "the operator", c.operator
	}
	generated, err := reset(ctx, t, password)
	if err != nil {
		return err
	}
	if generated == "" {
		_, err = fmt.Fprintf(t.out, "The new password is set; all sessions of %s have ended.\n", who)
		return err
	}
	_, err = fmt.Fprintf(t.out, "All sessions of %s have ended. The new password is shown only now:\n%s\n", who, generated)
	return err
}

func (c resetPasswordCommand) user(ctx context.Context, t terminal, password string) (string, error) {
	opened, a, err := c.open(ctx, t)
	if err != nil {
		return "", err
	}
	defer func() { _ = opened.Close() }()
	return a.ResetPassword(ctx, c.Login, password)
}

func (c resetPasswordCommand) operator(ctx context.Context, t terminal, password string) (string, error) {
	s, err := c.settings(t)
	if err != nil {
		return "", err
	}
	operator, err := platform.OpenOperator(ctx, s, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer func() { _ = operator.Close() }()
	return operator.ResetPassword(ctx, password)
}
