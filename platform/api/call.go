package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// route is one thing that v3 does.
type route struct {
	method, path string
	// name is what the header X-Endpoint says.
	name string
	// resource is what a missing thing is called, and whose fields may be given bare.
	resource string
	// params are the parameters that it knows, as type.name.
	params []string
	// perPage is how many entries a page has where the client does not say; 0: there are no pages.
	perPage int
	handle  func(context.Context, *call) (answer, error)
}

// answer is what a handler gives back: an object, or a function that writes by itself, or nothing.
type answer struct {
	status int // 0 is 200
	body   *object
	write  func(http.ResponseWriter) error
}

// ok answers with an object.
func ok(o *object, err error) (answer, error) { return answer{body: o}, err }

// call is a decoded request.
type call struct {
	user    ci.User
	mount   string
	path    string // as it was asked for, with the mount, escaped
	route   route
	params  map[string]string
	query   url.Values
	body    body
	header  http.Header
	include map[string]bool
	page    ci.Page
	// skipCount: the total is not wanted.
	skipCount bool
	// ignored are the names of query parameters that nobody knows, warnings what else was passed over.
	ignored  []string
	warnings []*object
}

// endpoint is the handler of a route at a mount: it finds the user, decodes, calls, encodes.
func (a *API) endpoint(mount string, r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("X-Endpoint", r.name)
		user, err := a.Who(c.Request.Context())
		if err != nil {
			a.fail(c, err, r.resource)
			return
		}
		in, err := decode(c, mount, r, user)
		if err != nil {
			a.fail(c, err, r.resource)
			return
		}
		out, err := r.handle(c.Request.Context(), in)
		if err != nil {
			a.fail(c, err, r.resource)
			return
		}
		a.send(c, in, out)
	}
}

func (a *API) send(c *gin.Context, in *call, out answer) {
	if out.status == 0 {
		out.status = http.StatusOK
	}
	var err error
	switch {
	case out.write != nil:
		err = out.write(c.Writer)
	case out.body != nil:
		out.body.setIf(len(in.ignored)+len(in.warnings) > 0, "@warnings", in.allWarnings())
		err = writeJSON(c.Writer, out.status, "application/json", out.body)
	default:
		c.Writer.WriteHeader(out.status)
		return
	}
	switch {
	case err == nil || c.Request.Context().Err() != nil:
	case !c.Writer.Written():
		a.fail(c, err, in.route.resource)
	default:
		a.log.WarnContext(c.Request.Context(), "answer broke off", "request_id", requestID(c), "route", c.FullPath(), "err", err)
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
}

func decode(c *gin.Context, mount string, r route, user ci.User) (*call, error) {
	in := &call{user: user, mount: mount, path: c.Request.URL.EscapedPath(), route: r, params: map[string]string{}, header: c.Request.Header}
	for _, p := range c.Params {
		v, err := url.PathUnescape(p.Value)
		if err != nil || !clean(v) {
			return nil, gone(r.resource)
		}
		in.params[p.Key] = v
	}
	var err error
	if in.query, err = url.ParseQuery(c.Request.URL.RawQuery); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The query of this address cannot be read: a percent sign starts two hexadecimal digits.")
	}
	if in.body, err = readBody(c.Writer, c.Request); err != nil {
		return nil, err
	}
	if in.include, err = parseInclude(in.query["include"]); err != nil {
		return nil, err
	}
	if err = in.readPage(); err != nil {
		return nil, err
	}
	in.noteUnknown()
	return in, nil
}

// clean reports whether a text may go into SQL on every database.
func clean(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// id is a number in the path.
func (c *call) id(name string) (int64, error) {
	n, err := strconv.ParseInt(c.params[name], 10, 64)
	if err != nil || n <= 0 {
		return 0, gone(c.route.resource)
	}
	return n, nil
}

// text is a parameter "type.name" as text: from the body or the query, with or without its type.
func (c *call) text(param string) (string, error) {
	raw, found := c.raw(param)
	if !found {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		if !clean(s) {
			return "", fault.Field(param, "%s holds bytes that are not text.", param)
		}
		return s, nil
	}
	switch s = string(raw); {
	case s == "null":
		return "", nil
	case strings.HasPrefix(s, "{"), strings.HasPrefix(s, "["):
		return "", fault.Field(param, "%s must be a string.", param)
	}
	return s, nil // a number or a boolean
}

// raw is a parameter as JSON.
func (c *call) raw(param string) (json.RawMessage, bool) {
	typ, name, _ := strings.Cut(param, ".")
	if v, found := c.body.field(typ, name); found {
		return v, true
	}
	for _, spelling := range []string{param, name} {
		if c.query.Has(spelling) {
			v, err := json.Marshal(c.query.Get(spelling))
			return v, err == nil
		}
	}
	return nil, false
}

// list is a parameter as a list of texts between commas.
func (c *call) list(param string) ([]string, error) {
	s, err := c.text(param)
	if err != nil || s == "" {
		return nil, err
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" }), nil
}

// truth is a parameter as yes, no or not given.
func (c *call) truth(param string) (*bool, error) {
	s, err := c.text(param)
	if err != nil || s == "" {
		return nil, err
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return nil, fault.Field(param, "%s must be true or false.", param)
	}
	return &b, nil
}

// number is a parameter as an integer that is not negative, or otherwise where it is not given.
func (c *call) number(param string, otherwise int) (int, error) {
	s, err := c.text(param)
	if err != nil || s == "" {
		return otherwise, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fault.Field(param, "%s must be an integer from 0 on.", param)
	}
	return n, nil
}
