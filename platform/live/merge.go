package live

import "github.com/headrace/headrace/platform/ci"

// merger collects hints and keeps the newest of each thing, in the order in which the things were first named.
type merger struct {
	list  []ci.Change
	place map[ci.Change]int
}

// subject is what a hint is about, without what it says of it.
func subject(c ci.Change) ci.Change {
	c.State, c.Source, c.Part, c.Final = "", 0, 0, false
	return c
}

func (m *merger) add(c ci.Change) {
	if m.place == nil {
		m.place = map[ci.Change]int{}
	}
	about := subject(c)
	i, known := m.place[about]
	if !known {
		m.place[about] = len(m.list)
		m.list = append(m.list, c)
		return
	}
	if c.Kind == ci.ChangeLog && c.Part < m.list[i].Part {
		return // overtaken on its way
	}
	m.list[i] = c
}
