// Package web owns the pages that people who build software look at: what they show, how they are addressed, and how they
// stay fresh while they are open. It must not know where things are stored or how they are carried; it asks through the
// interfaces in deps.go. gin stays inside.
//
// Every page is whole without script: forms are plain posts that answer with a redirect. With script, a page hears on
// one connection per browser (see events.go) that something changed, asks for itself again with the header X-Fragment,
// and puts the answer in place. Logs go on by short requests (see joblog.go).
package web
