// Package logview owns how the bytes of a job's log become lines that people read: numbers, times, colours, folds,
// failing lines, and the place from which a reader goes on. It reads the log piece by piece and never holds all of it.
// It must not know HTTP or the pages.
//
// It is the only place that makes HTML out of text of jobs. Whatever a job prints, the result holds nothing but escaped
// text, spans with class names and links to http and https addresses.
//
// The same [Item]s are drawn twice: in one go by [HTML] for a page without script, and one by one by [Ops] for a page
// that is open already.
package logview
