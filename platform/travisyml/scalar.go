package travisyml

import (
	"math/big"
	"regexp"
	"strings"
)

// The forms of YAML 1.1 integers. Everything else that looks like a number,
// floats above all, stays the string that was written: a version 3.10 must
// not become 3.1.
var (
	binaryForm      = regexp.MustCompile(`^[-+]?0b[01_,]+$`)
	octalForm       = regexp.MustCompile(`^[-+]?0[0-7_,]+$`)
	decimalForm     = regexp.MustCompile(`^[-+]?(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)$`)
	hexForm         = regexp.MustCompile(`^[-+]?0[xX][0-9a-fA-F_,]+$`)
	sexagesimalForm = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}$`)
)

// maxDigits bounds the integers that are read as such; longer runs of digits
// are kept as strings.
const maxDigits = 64

// plainScalar reads an unquoted scalar by the rules of the original service.
func plainScalar(s string, at position) *node {
	switch {
	case s == "" || s == "~" || strings.EqualFold(s, "null"):
		return &node{kind: nullKind, at: at}
	case s == "yes" || s == "no" || s == "on" || s == "off":
		return newString(s, at)
	}
	switch strings.ToLower(s) {
	case "yes", "true", "on":
		return newBool(true, at)
	case "no", "false", "off":
		return newBool(false, at)
	}
	if digits, ok := integer(s); ok {
		return &node{kind: intKind, text: digits, at: at}
	}
	return newString(symbol(s), at)
}

// symbol removes the colon of a Ruby symbol.
func symbol(s string) string {
	if len(s) > 1 && s[0] == ':' {
		return strings.Trim(s[1:], `"'`)
	}
	return s
}

// integer returns the decimal digits of a YAML 1.1 integer.
func integer(s string) (string, bool) {
	if len(s) > maxDigits || !strings.ContainsAny(s, "0123456789") {
		return "", false
	}
	clean := strings.NewReplacer("_", "", ",", "").Replace(s)
	clean = strings.TrimPrefix(clean, "+")
	switch {
	case decimalForm.MatchString(s):
		return convert(clean, 10)
	case octalForm.MatchString(s):
		return convert(clean, 8)
	case binaryForm.MatchString(s):
		return convert(strings.Replace(clean, "0b", "", 1), 2)
	case hexForm.MatchString(s):
		return convert(strings.NewReplacer("0x", "", "0X", "").Replace(clean), 16)
	case sexagesimalForm.MatchString(s):
		return sexagesimal(clean)
	default:
		return "", false
	}
}

func convert(digits string, base int) (string, bool) {
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return "", false
	}
	return n.String(), true
}

// sexagesimal reads 12:30 the way the original does: the first part always
// counts hours, so the result is seconds.
func sexagesimal(s string) (string, bool) {
	total := new(big.Int)
	unit := int64(3600)
	for part := range strings.SplitSeq(s, ":") {
		n, ok := new(big.Int).SetString(part, 10)
		if !ok {
			return "", false
		}
		total.Add(total, n.Mul(n, big.NewInt(unit)))
		unit /= 60
	}
	return total.String(), true
}
