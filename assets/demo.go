package assets

import "embed"

// Demo holds the sample repository of `headrace up --demo` under demo/hello.
//
//go:embed all:demo/hello
var Demo embed.FS
