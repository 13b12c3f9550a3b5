package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// forms are the ways in which the values are written, each once.
func forms(values []string) [][]byte {
	var all []string
	for _, v := range values {
		for _, plain := range plainForms(v) {
			if len(plain) < Shortest {
				continue
			}
			all = append(all, plain, hex.EncodeToString([]byte(plain)), strings.ToUpper(hex.EncodeToString([]byte(plain))))
			all = append(all, base64Forms(plain)...)
			all = append(all, urlForms(plain)...)
			all = append(all, jsonForms(plain)...)
			all = append(all, shellForms(plain)...)
			all = append(all, xmlForms(plain)...)
		}
	}
	return unique(all)
}

// plainForms are a value, the value without the space around it, with the line ends of a terminal, and its longer lines.
func plainForms(v string) []string {
	all := []string{v, strings.TrimSpace(v)}
	if !strings.Contains(v, "\n") {
		return all
	}
	all = append(all, strings.ReplaceAll(strings.ReplaceAll(v, "\r\n", "\n"), "\n", "\r\n"))
	for line := range strings.Lines(v) {
		if line = strings.TrimSpace(line); len(line) >= shortestLine {
			all = append(all, line)
		}
	}
	return all
}

// base64Forms are what stands of a value in base64, wherever in the encoded text it begins: a character of base64 holds six
// bits, and those at the edges hold bits of the neighbours too. Tools break the base64 of long values into lines.
func base64Forms(v string) []string {
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			whole := encoding.EncodeToString(append(make([]byte, before), v...))
			first, end := (before*8+5)/6, (before+len(v))*8/6
			all = append(all, whole[first:end])
			if before > 0 {
				continue
			}
			for _, width := range []int{64, 76} {
				for line := whole[:end]; len(whole) > width && len(line) > 0; {
					n := min(width, len(line))
					if n >= shortestLine {
						all = append(all, line[:n])
					}
					line = line[n:]
				}
			}
		}
	}
	return all
}

var escapedByte = regexp.MustCompile(`%[0-9A-F]{2}`)

// urlForms are a value as URLs have it; libraries differ in what they leave as it is.
func urlForms(v string) []string {
	full := strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
	script := strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(full)
	var all []string
	for _, form := range []string{url.QueryEscape(v), full, script, url.PathEscape(v), strings.ReplaceAll(full, "%2F", "/")} {
		all = append(all, form, escapedByte.ReplaceAllStringFunc(form, strings.ToLower))
	}
	return all
}

// jsonForms are a value within a JSON string: with and without escapes that only some encoders make.
func jsonForms(v string) []string {
	var all []string
	for _, html := range []bool{false, true} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(v) != nil {
			continue
		}
		form := strings.TrimSpace(b.String())
		form = form[1 : len(form)-1]
		ascii := asciiJSON(form)
		all = append(all, form, strings.ReplaceAll(form, "/", `\/`), ascii, strings.ReplaceAll(ascii, "/", `\/`))
	}
	return all
}

// asciiJSON escapes what is not ASCII.
func asciiJSON(form string) string {
	var b strings.Builder
	for _, r := range form {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			b.WriteString(`\u` + hex.EncodeToString([]byte{byte(unit >> 8), byte(unit)}))
		}
	}
	return b.String()
}

var plainInShell = regexp.MustCompile(`[^A-Za-z0-9_@%+=:,./~^-]`)

// shellForms are a value within single quotes, double quotes and dollar quotes, and with backslashes, as shells print it.
func shellForms(v string) []string {
	dollar := strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x1b", `\E`)
	return []string{
		strings.ReplaceAll(v, `'`, `'\''`),
		strings.ReplaceAll(v, `'`, `'"'"'`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(v),
		dollar.Replace(v),
		plainInShell.ReplaceAllStringFunc(v, func(s string) string {
			if s[0] >= utf8.RuneSelf {
				return s
			}
			return `\` + s
		}),
	}
}

// xmlForms are a value within XML or HTML.
func xmlForms(v string) []string {
	var b bytes.Buffer
	if xml.EscapeText(&b, []byte(v)) != nil {
		return nil
	}
	named := strings.NewReplacer("&#34;", "&quot;", "&#39;", "&apos;").Replace(b.String())
	html := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(v)
	return []string{b.String(), named, html}
}
