package script

import (
	"fmt"
	"strings"
)

// Problem returns a script for a job of which no script can be made: it says why and ends as errored.
func Problem(cause error) []byte {
	text := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, cause.Error())
	quoted := "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	return fmt.Appendf(nil, "#!/bin/bash\nprintf 'This job cannot be run: %%s\\n' %s\nexit %d\n", quoted, ExitErrored)
}
