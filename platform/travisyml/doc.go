// Package travisyml is the build language: it turns the text of a
// `.travis.yml` into the jobs of a build, in four pure steps.
//
//	Parse      text            -> Document, our own tree with line and column
//	Merge      Document + API override fragments -> Document
//	Normalise  Document        -> Config, every key known, cast and defaulted
//	Expand     Config + Request -> Plan, the jobs and stages in run order
//
// [Load] chains the four. Every doubt about the text is a [Message] with its
// place in the file; only text which is not YAML, a root which is not a map,
// and a file beyond its [Limits] are errors.
//
// The package does no I/O, keeps no state, and never panics on what a file
// holds. It must not know how jobs are stored, sent or run.
package travisyml
