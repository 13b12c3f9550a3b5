package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

const (
	// tokenPrefix lets people and secret scanners know what they look at.
	tokenPrefix = "hr_"
	tokenBytes  = 32
	maxTokens   = 100
)

// CreateToken makes an API token for a user. The secret is given this once; only its hash is kept.
func (a *Auth) CreateToken(ctx context.Context, userID int64, name string) (secret string, token ci.Token, err error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 100 {
		return "", ci.Token{}, fault.Field("name", "Give the token a name of 1 to 100 characters that says what it is for, for example deploy script.")
	}
	have, err := a.store.Tokens(ctx, userID)
	if err != nil {
		return "", ci.Token{}, fmt.Errorf("create token: %w", err)
	}
	if len(have) >= maxTokens {
		return "", ci.Token{}, fault.New(fault.Conflict, "There are %d tokens, the most one user has. Delete one that is not used any more.", maxTokens)
	}
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(randomBytes(tokenBytes))
	token, err = a.store.CreateToken(ctx, userID, name, hashToken(secret))
	if err != nil {
		return "", ci.Token{}, fmt.Errorf("create token: %w", err)
	}
	return secret, token, nil
}

// Tokens lists a user's tokens.
func (a *Auth) Tokens(ctx context.Context, userID int64) ([]ci.Token, error) {
	list, err := a.store.Tokens(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return list, nil
}

// DeleteToken ends one of a user's tokens.
func (a *Auth) DeleteToken(ctx context.Context, userID, tokenID int64) error {
	if err := a.store.DeleteToken(ctx, userID, tokenID); err != nil {
		return fmt.Errorf("delete token %d: %w", tokenID, err)
	}
	return nil
}

// byToken returns the user whose token this is, or a [fault.Unauthenticated].
func (a *Auth) byToken(ctx context.Context, secret string) (ci.User, error) {
	raw, ok := strings.CutPrefix(secret, tokenPrefix)
	if b, err := base64.RawURLEncoding.DecodeString(raw); !ok || err != nil || len(b) != tokenBytes {
		return ci.User{}, errWrongCredentials()
	}
	user, _, err := a.store.UserByToken(ctx, hashToken(secret))
	if fault.Is(err, fault.NotFound) {
		return ci.User{}, errWrongCredentials()
	}
	if err != nil {
		return ci.User{}, fmt.Errorf("look up token: %w", err)
	}
	return user, nil
}

// hashToken needs no salt and no slowness: the secret is 256 random bits.
func hashToken(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}
