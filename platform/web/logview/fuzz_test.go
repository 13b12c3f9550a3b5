package logview_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/headrace/headrace/platform/web/logview"
)

// FuzzNothingButSpansAndLinks: whatever a job prints, what is drawn of it is text in spans with class names and links to
// the web, and every element that begins also ends.
func FuzzNothingButSpansAndLinks(f *testing.F) {
	for _, seed := range []string{"<script>alert(1)</script>\n", "\x1b[31m<img src=x onerror=y>\x1b[0m\n", "\x1b]8;;javascript:alert(1)\x07x\x1b]8;;\x07\n", "\x1b]8;;https://a\" onclick=\"x\x07x\n",
		"travis_fold:start:a\"><script>\r\x1b[0Kx\n", "\x1b]1337;File=name=eC5wbmc=;inline=1:aGk=\x07\n", "\x1b]1339;url=javascript:x;content=y\x07\n", "\x1b_bk;t=1\x07x\n", "a\rb\x1b[99999Gc\n", "\x1b[38;2;1;2;3mx\x1b[48;5;200my\n", "\x1bM\x1b7\x1b8x\n"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, text string, cut int) {
		cut = min(max(cut, 0), len(text))
		m := logOf(text[:cut], text[cut:])
		m.closed = true
		v, err := logview.Page(t.Context(), m, 1, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range v.Items {
			if it.Kind == logview.KindLine || it.Kind == logview.KindFold {
				harmless(t, string(it.Line.HTML), map[string]bool{"span": true, "a": true})
			}
		}
		harmless(t, string(logview.HTML(v.Items)), map[string]bool{"span": true, "a": true, "div": true, "details": true, "summary": true, "b": true, "em": true, "time": true, "code": true, "p": true})
		for _, op := range logview.Ops(v.Items) {
			harmless(t, op.HTML, map[string]bool{"span": true, "a": true, "div": true, "details": true, "summary": true, "b": true, "em": true, "time": true, "code": true, "p": true})
		}
	})
}

var attributes = map[string]bool{"class": true, "href": true, "id": true, "aria-label": true, "data-fold": true, "data-from": true, "data-to": true, "open": true, "data-unended": true}

func harmless(t *testing.T, drawn string, elements map[string]bool) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(drawn))
	var open []string
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Fatalf("%v are not ended in %q", open, drawn)
			}
			return
		case html.StartTagToken:
			token := z.Token()
			checkTag(t, token, elements, drawn)
			open = append(open, token.Data)
		case html.EndTagToken:
			token := z.Token()
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("%s ends where %v are open in %q", token.Data, open, drawn)
			}
			open = open[:len(open)-1]
		case html.CommentToken, html.DoctypeToken, html.SelfClosingTagToken:
			t.Fatalf("%q holds %q", drawn, z.Token())
		case html.TextToken:
		}
	}
}

func checkTag(t *testing.T, token html.Token, elements map[string]bool, drawn string) {
	t.Helper()
	if !elements[token.Data] {
		t.Fatalf("the element %s in %q", token.Data, drawn)
	}
	for _, a := range token.Attr {
		if !attributes[a.Key] {
			t.Fatalf("the attribute %s in %q", a.Key, drawn)
		}
		if a.Key == "href" && !strings.HasPrefix(a.Val, "http://") && !strings.HasPrefix(a.Val, "https://") && !strings.HasPrefix(a.Val, "#L") && !strings.HasPrefix(a.Val, "?line=") {
			t.Fatalf("a link to %q in %q", a.Val, drawn)
		}
	}
}
