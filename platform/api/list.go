package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// maxPage is the most entries of a page.
const maxPage = 100

// readPage reads which part of a list is wanted.
func (c *call) readPage() error {
	if c.route.perPage == 0 {
		return nil
	}
	limit, err := c.integer("limit", c.route.perPage)
	if err != nil {
		return err
	}
	offset, err := c.integer("offset", 0)
	if err != nil {
		return err
	}
	switch {
	case limit < 0:
		limit = c.route.perPage
	case limit == 0 || limit > maxPage:
		limit = maxPage
	}
	c.page = ci.Page{Limit: limit, Offset: max(offset, 0)}
	c.skipCount = c.query.Get("skip_count") == "true"
	return nil
}

func (c *call) integer(name string, otherwise int) (int, error) {
	s := c.query.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fault.Field(name, "%s must be an integer", name)
	}
	return int(n), nil
}

// noteUnknown collects the query parameters that the route does not know.
func (c *call) noteUnknown() {
	known := []string{"include"}
	if c.route.perPage > 0 {
		known = append(known, "limit", "offset", "skip_count", "sort_by")
	}
	for _, p := range c.route.params {
		_, name, _ := strings.Cut(p, ".")
		known = append(known, p, name)
	}
	for name := range c.query {
		if !slices.Contains(known, name) {
			c.ignored = append(c.ignored, name)
		}
	}
	slices.Sort(c.ignored)
}

func (c *call) warn(kind, parameter, format string, args ...any) {
	w := newObject("warning").set("message", fmt.Sprintf(format, args...)).set("warning_type", kind).set("parameter", parameter)
	c.warnings = append(c.warnings, w)
}

func (c *call) allWarnings() []*object {
	for _, name := range c.ignored {
		c.warn("ignored_parameter", name, "query parameter %s not safelisted, ignored", name)
	}
	return c.warnings
}

// sortBy returns the wanted order, first wish first, of those that the list can be sorted by: "field" or "field:desc". The
// others are passed over with a warning.
func (c *call) sortBy(can ...string) (order string) {
	for wish := range strings.SplitSeq(c.query.Get("sort_by"), ",") {
		wish = strings.TrimSpace(wish)
		switch known := strings.TrimSuffix(wish, ":asc"); {
		case wish == "":
		case !slices.Contains(can, known):
			c.warn("ignored_value", "sort_by", "query value %s for sort_by not a field to sort by, ignored", wish)
		case order == "":
			order = known
		}
	}
	return order
}

// collection returns a list as v3 shows it. total is -1 where it was not counted.
func (c *call) collection(typ string, entries []*object, total int) *object {
	o := newObject(typ).set("@href", c.self()).set("@representation", "standard")
	if c.route.perPage > 0 {
		o.set("@pagination", c.pagination(len(entries), total))
	}
	if entries == nil {
		entries = []*object{}
	}
	return o.set(typ, entries)
}

// self is the address that was asked for.
func (c *call) self() string {
	if len(c.query) == 0 {
		return c.path
	}
	return c.path + "?" + c.query.Encode()
}

func (c *call) pagination(here, total int) *object {
	limit, offset := c.page.Limit, c.page.Offset
	count := any(total)
	if total < 0 {
		// Not counted: another page is said to exist while this one is full.
		count, total = nil, offset+here
		if here == limit {
			total++
		}
	}
	last := 0
	if total > 0 {
		last = (total - 1) / limit * limit
	}
	o := new(object).set("limit", limit).set("offset", offset).set("count", count).
		set("is_first", offset == 0).set("is_last", offset+limit >= total)
	var next, prev any
	if offset+limit < total {
		next = c.pageAt(offset + limit)
	}
	if offset > 0 {
		prev = c.pageAt(max(offset-limit, 0))
	}
	return o.set("next", next).set("prev", prev).set("first", c.pageAt(0)).set("last", c.pageAt(last))
}

func (c *call) pageAt(offset int) *object {
	q := url.Values{}
	for k, v := range c.query {
		q[k] = v
	}
	q.Set("limit", strconv.Itoa(c.page.Limit))
	q.Set("offset", strconv.Itoa(offset))
	return new(object).set("@href", c.path+"?"+q.Encode()).set("offset", offset).set("limit", c.page.Limit)
}
