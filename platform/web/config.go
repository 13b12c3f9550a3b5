package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/platform/ci"
)

const configName = ".travis.yml"

// configModel is what a build's configuration was made of.
type configModel struct {
	Build    ci.Build
	Href     string
	Messages []message // that belong to no line
	Files    []configFile
}

type configFile struct {
	ID     string // of the heading
	Source string
	Mode   string
	Lines  []configLine
}

type configLine struct {
	ID       string
	Number   int
	Text     string
	Messages []message
}

func (s *server) configPage(c *gin.Context, u ci.User, repo ci.Repository, at place) error {
	b, err := s.buildOf(c.Request.Context(), repo, at)
	if err != nil {
		return err
	}
	m := configModel{Build: b, Href: buildHref(repo.Slug, b.Number)}
	texts := b.ConfigFiles
	if b.ConfigText != "" {
		texts = slices.Concat([]ci.ConfigFile{{Source: configName, Text: b.ConfigText}}, b.ConfigFiles)
	}
	for i, f := range texts {
		m.Files = append(m.Files, configLines(i, f, b.Messages))
	}
	m.Messages = messagesOf(slices.DeleteFunc(slices.Clone(b.Messages), func(msg ci.ConfigMessage) bool {
		return msg.Line > 0 && slices.ContainsFunc(texts, func(f ci.ConfigFile) bool { return f.Source == msg.Source })
	}))
	return s.render(c, u, "config", view{Title: fmt.Sprintf("Config of #%d · %s", b.Number, repo.Name()),
		Crumbs: repoCrumbs(repo, crumb{Name: fmt.Sprintf("#%d", b.Number), Href: m.Href}, crumb{Name: "Config"}), Page: m})
}

// configLines are the lines of one file with what the language says of them. The lines of the first file are #L1, #L2, and
// those of another one, say the third, #F3L1.
func configLines(index int, f ci.ConfigFile, said []ci.ConfigMessage) configFile {
	byLine := map[int][]ci.ConfigMessage{}
	for _, msg := range said {
		if msg.Source == f.Source {
			byLine[msg.Line] = append(byLine[msg.Line], msg)
		}
	}
	out := configFile{Source: f.Source, Mode: f.Mode, ID: fmt.Sprintf("F%d", index+1)}
	prefix := "L"
	if index > 0 {
		prefix = out.ID + "L"
	}
	for i, text := range strings.Split(strings.TrimSuffix(f.Text, "\n"), "\n") {
		out.Lines = append(out.Lines, configLine{ID: fmt.Sprintf("%s%d", prefix, i+1), Number: i + 1, Text: text, Messages: messagesOf(byLine[i+1])})
	}
	return out
}
