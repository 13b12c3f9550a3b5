package assets

import (
	"embed"
	"fmt"
	"html/template"
)

//go:embed parts/*.tmpl
var partFiles embed.FS

// Icon is what the part "icon" draws. With a label it is an image with that name, without one it is decoration.
type Icon struct {
	Name  string // of the shape in the sprite
	Class string
	Size  int
	Label string
	Href  string
}

// Parts returns a fresh set of the template parts that all pages share, with the functions they need: "asset" gives the
// address of a file, "shape" an [Icon] for a state or a tool.
func (f *Files) Parts() (*template.Template, error) {
	t := template.New("parts").Funcs(template.FuncMap{
		"asset": f.URL,
		"shape": f.shape,
		"tool":  f.tool,
	})
	t, err := t.ParseFS(partFiles, "parts/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse template parts: %w", err)
	}
	return t, nil
}

// drawnAs are states that have no shape of their own.
var drawnAs = map[string]string{"none": "created", "pending": "queued", "rejected": "dry", "approved": "ok"}

// shape is the icon of a state; the running one turns.
func (f *Files) shape(state string, size int, label ...string) Icon {
	if drawn, ok := drawnAs[state]; ok {
		state = drawn
	}
	icon := Icon{Name: state, Class: "i i-" + state, Size: size, Href: f.URL("icons.svg") + "#" + state}
	if state == "started" {
		icon.Class += " turn"
	}
	if len(label) > 0 {
		icon.Label = label[0]
	}
	return icon
}

// tool is an icon without a state: search, copy, branch.
func (f *Files) tool(name string, size int) Icon {
	return Icon{Name: name, Class: "i", Size: size, Href: f.URL("icons.svg") + "#u-" + name}
}
