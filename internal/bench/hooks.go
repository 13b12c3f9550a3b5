package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// measureHooks measures pushes that a forge tells: 10 KB, signed, one after another and over 16 connections. What becomes of
// them goes on meanwhile.
func measureHooks(ctx context.Context, r *rig, o options) ([]figure, error) {
	h, err := r.house(ctx, "hooks")
	if err != nil {
		return nil, err
	}
	defer h.close()
	sha, err := h.repository(ctx, "acme/app", trivial)
	if err != nil {
		return nil, err
	}
	status, body, err := h.call(ctx, http.MethodGet, h.url+"/api/repo/"+url.PathEscape("acme/app")+"/hook", nil)
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("the webhook of the repository answers %d: %.300s: %w", status, body, err)
	}
	var hook struct {
		Secrets []struct {
			Secret string `json:"secret"`
		} `json:"secrets"`
	}
	if err := json.Unmarshal(body, &hook); err != nil || len(hook.Secrets) == 0 {
		return nil, fmt.Errorf("the webhook of the repository has no secret: %.300s: %w", body, err)
	}
	push := pushOf(sha)
	mac := hmac.New(sha256.New, []byte(hook.Secrets[0].Secret))
	_, _ = mac.Write(push)
	signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	sent := 0
	send := func(connections, n int) (loaded, error) {
		first := sent
		sent += n
		return drive(ctx, connections, n, 5*patience, func(i int) (ask, error) {
			return newAsk(http.MethodPost, h.url+"/api/hooks/github", "", push, accepted,
				"X-GitHub-Event", "push", "X-GitHub-Delivery", fmt.Sprintf("delivery-%d", first+i), "X-Hub-Signature-256", signature)
		})
	}
	alone, err := send(1, o.n(300, 20))
	if err != nil {
		return nil, err
	}
	many, err := send(16, o.n(5000, 50))
	if err != nil {
		return nil, err
	}
	var c checks
	c.add(alone.checks)
	c.add(many.checks)
	var stored, kinds int
	if err := h.db.QueryRowContext(ctx, "SELECT count(*), count(DISTINCT delivery) FROM requests WHERE forge = 'github' AND delivery LIKE 'delivery-%'").Scan(&stored, &kinds); err != nil {
		return nil, err
	}
	c.check(stored == sent && kinds == sent, "%d requests of %d deliveries are stored, %d were accepted", stored, kinds, sent)
	f := c.figure("webhook answered, accepted", "p50 3 ms, 1,500 /s", "hooks", []string{rawCommit, rawCommits, rawGin},
		amount{"one client p50", ms(alone.delays.at(50)), "ms"}, amount{"p99", ms(alone.delays.at(99)), "ms"},
		perSecond(many.answers, many.took, "/s with 16"), amount{"p50", ms(many.delays.at(50)), "ms"}, amount{"p99", ms(many.delays.at(99)), "ms"})
	return []figure{f}, nil
}

// pushOf is what a forge says of a push, filled up to the usual length.
func pushOf(sha string) []byte {
	return fmt.Appendf(nil, `{"ref":"refs/heads/main","before":"%040d","after":%q,"compare":"https://git.example.com/compare","deleted":false,"padding":%q,
		"repository":{"id":1001,"full_name":"acme/app","clone_url":"https://git.example.com/acme/app.git"},"sender":{"login":"ines"},"head_commit":{"id":%[2]q,"message":"A change"}}`,
		0, sha, strings.Repeat("x", 10_000))
}
