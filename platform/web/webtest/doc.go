// Package webtest owns a small Headrace without database, broker and workers: the demo that screenshots, browser tests
// and page tests are made of. It must not be part of the shipped binary.
package webtest
