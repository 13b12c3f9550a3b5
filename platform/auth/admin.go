package auth

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// AdminLogin is the login of the first user.
const AdminLogin = "admin"

// EnsureAdmin creates the first user where there is none. With an empty password it makes one and returns it; that is the
// only time it can be seen. Where there are users already it does nothing.
func (a *Auth) EnsureAdmin(ctx context.Context, password string) (generated string, err error) {
	n, err := a.store.CountUsers(ctx)
	if err != nil {
		return "", fmt.Errorf("ensure admin: %w", err)
	}
	if n > 0 {
		return "", nil
	}
	hash, generated, err := a.newHash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("ensure admin: %w", err)
	}
	_, err = a.store.CreateUser(ctx, ci.NewUser{Login: AdminLogin, Name: "Administrator", Admin: true, PasswordHash: hash})
	if fault.Is(err, fault.Conflict) {
		return "", nil // another node was first
	}
	if err != nil {
		return "", fmt.Errorf("ensure admin: %w", err)
	}
	return generated, nil
}

// ResetPassword gives a user a new password and ends the user's sessions. With an empty password it makes one and returns it.
func (a *Auth) ResetPassword(ctx context.Context, login, password string) (generated string, err error) {
	user, _, err := a.store.UserByLogin(ctx, login)
	if fault.Is(err, fault.NotFound) {
		return "", fault.New(fault.NotFound, "There is no user %q.", login)
	}
	if err != nil {
		return "", fmt.Errorf("reset password: %w", err)
	}
	hash, generated, err := a.newHash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("reset password: %w", err)
	}
	if err := a.store.SetPassword(ctx, user.ID, hash); err != nil {
		return "", fmt.Errorf("reset password: %w", err)
	}
	a.log.InfoContext(ctx, "password reset", "user_id", user.ID, "login", user.Login)
	return generated, nil
}

// newHash hashes the password, or one that it makes where it is empty.
func (a *Auth) newHash(ctx context.Context, password string) (hash, generated string, err error) {
	if password == "" {
		generated = newPassword()
		password = generated
	}
	if err := CheckPassword(password); err != nil {
		return "", "", err
	}
	hash, err = a.hasher.hash(ctx, password)
	return hash, generated, err
}
