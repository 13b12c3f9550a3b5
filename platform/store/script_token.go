package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// scriptTokenGrace is how long a token is taken after it was replaced, unless it is replaced once more.
const scriptTokenGrace = 24 * time.Hour

// scriptToken is a row; the token is kept as its digest, and sealed.
type scriptToken struct {
	number         int
	digest, sealed string
	endsAt         time.Time
}

func (r scriptToken) place() seal.Place {
	return seal.Place{Table: "script_tokens", Row: strconv.Itoa(r.number), Column: "token_sealed"}
}

func scanScriptToken(row scanner) (r scriptToken, err error) {
	err = row.Scan(&r.number, &r.digest, &r.sealed, into(&r.endsAt))
	return r, err
}

const scriptTokenColumns = "SELECT number, digest, token_sealed, ends_at FROM script_tokens"

// ScriptToken returns what workers that do not claim must show when they ask for the script of a job. It is made when it is
// first asked for, and the same on every node.
func (s *Store) ScriptToken(ctx context.Context) (token string, err error) {
	present := scriptToken{}
	err = s.read(ctx, "find the script token", func(ctx context.Context, c conn) (err error) {
		present, err = lastScriptToken(ctx, c)
		return err
	})
	if err == nil && present.number == 0 {
		err = s.write(ctx, "make the script token", func(ctx context.Context, c conn) (err error) {
			if _, _, err = s.makeScriptToken(ctx, c, 1); err != nil {
				return err
			}
			present, err = lastScriptToken(ctx, c)
			return err
		})
	}
	if err != nil {
		return "", err
	}
	plain, err := s.config.Keys.Open(present.sealed, present.place())
	if err != nil {
		return "", fmt.Errorf("open the script token: %w", err)
	}
	return string(plain), nil
}

// ReplaceScriptToken makes a new token. The one before is taken until the time that is returned, which is zero where there
// was none; the one before that is not taken any more.
func (s *Store) ReplaceScriptToken(ctx context.Context) (token string, until time.Time, err error) {
	err = s.write(ctx, "replace the script token", func(ctx context.Context, c conn) error {
		present, err := lastScriptToken(ctx, c)
		if err != nil {
			return err
		}
		made := int64(0)
		token, made, err = s.makeScriptToken(ctx, c, present.number+1)
		if err := missed(made, err, fault.New(fault.Conflict, "Somebody else has replaced the token this very moment. Look at it before you replace it again.")); err != nil {
			return err
		}
		if until = s.Now().Add(scriptTokenGrace); present.number == 0 {
			until = time.Time{}
		}
		if _, err := c.exec(ctx, "UPDATE script_tokens SET ends_at = $2 WHERE number = $1", present.number, at(until)); err != nil {
			return err
		}
		_, err = c.exec(ctx, "DELETE FROM script_tokens WHERE number < $1", present.number)
		return err
	})
	return token, until, err
}

// ScriptTokenDigests are the digests ([ScriptTokenDigest]) of the tokens that are taken now.
func (s *Store) ScriptTokenDigests(ctx context.Context) (digests []string, err error) {
	err = s.read(ctx, "find the script tokens", func(ctx context.Context, c conn) error {
		rows, err := list(ctx, c, scanScriptToken, scriptTokenColumns)
		for _, r := range rows {
			if r.endsAt.IsZero() || r.endsAt.After(s.Now()) {
				digests = append(digests, r.digest)
			}
		}
		return err
	})
	return digests, err
}

// ScriptTokenDigest is how a token is known in the database. Tokens are random, so nobody finds one by trying.
func ScriptTokenDigest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func lastScriptToken(ctx context.Context, c conn) (scriptToken, error) {
	r, err := scanScriptToken(c.row(ctx, scriptTokenColumns+" ORDER BY number DESC LIMIT 1"))
	if errors.Is(err, sql.ErrNoRows) {
		return scriptToken{}, nil
	}
	return r, err
}

// makeScriptToken adds a token, unless there is one of the number.
func (s *Store) makeScriptToken(ctx context.Context, c conn, number int) (token string, added int64, err error) {
	token = rand.Text()
	row := scriptToken{number: number, digest: ScriptTokenDigest(token)}
	if row.sealed, err = s.config.Keys.Seal([]byte(token), row.place()); err != nil {
		return "", 0, err
	}
	added, err = c.exec(ctx, "INSERT INTO script_tokens (number, digest, token_sealed, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		row.number, row.digest, row.sealed, at(s.Now()))
	return token, added, err
}

// MayBegin says whether a worker that does not claim may begin an attempt whose message it was given: the attempt waits in the
// queue, or a run that was given the same message, and has lost it, holds the job.
func (s *Store) MayBegin(ctx context.Context, jobID int64, attempt int) (may bool, err error) {
	err = s.read(ctx, "look whether a job may begin", func(ctx context.Context, c conn) error {
		var state ci.State
		var number, offer int
		var unclaimed bool
		err := c.row(ctx, `SELECT j.state, j.attempt, COALESCE(a.unclaimed, FALSE), COALESCE(a.offer, 0)
			FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.number = j.attempt WHERE j.id = $1`, jobID).Scan(&state, &number, &unclaimed, &offer)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		may = state == ci.Queued && number == attempt || state.Owned() && unclaimed && offer == attempt
		return err
	})
	return may, err
}
