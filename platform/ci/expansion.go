package ci

// ExpandAs is the request that a configuration is expanded for, where there is no real one.
type ExpandAs struct {
	Event  Event
	Branch string
	Tag    string
}

// Expansion is what a configuration that is in no repository would come to.
type Expansion struct {
	Messages []ConfigMessage
	Stages   []string
	Jobs     []NewJob // their Stage is the index into Stages, -1 without any
	// Skip says why a build would not be made for this request; Problem why none can be made for any.
	Skip, Problem string
}
