package logview

import "strings"

// badStarts and badParts are how common tools report that something failed.
var (
	badStarts = []string{
		"--- FAIL", "FAIL\t", "FAIL ", "FAIL:", "FAILED ", "not ok ", "panic: ", "fatal: ", "Fatal: ", "error: ", "Error: ", "error[", "ERROR ",
		"ERROR: ", "[ERROR]", "npm ERR!", "npm error", "AssertionError", "Traceback (most recent call last)", "make: *** ", "Segmentation fault",
	}
	badParts = []string{": error: ", ": fatal error: ", ": command not found", ": No such file or directory", "]: *** ", "Permission denied"}
)

// bad reports whether a line reads like the report of a failure.
func bad(text string) bool {
	text = strings.TrimLeft(text, " \t")
	if text == "FAIL" {
		return true
	}
	for _, s := range badStarts {
		if strings.HasPrefix(text, s) {
			return true
		}
	}
	for _, s := range badParts {
		if strings.Contains(text, s) {
			return true
		}
	}
	return exitedBadly(text)
}

// exitedBadly recognises the sentence that a build script writes after a command.
func exitedBadly(text string) bool {
	if !strings.HasPrefix(text, `The command "`) {
		return false
	}
	_, code, ok := strings.Cut(text, "exited with ")
	return ok && !strings.HasPrefix(code, "0.")
}
