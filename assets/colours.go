package assets

import (
	"bytes"
	"fmt"
	"math"
)

// rgb is a colour, each part from 0 to 1.
type rgb [3]float64

// well is the ground of logs (--well), and least the contrast that text on it must have.
var well = rgb{0x0c / 255.0, 0x15 / 255.0, 0x1c / 255.0}

const least = 4.5

// terminalColours are the rules for the 256 colours of terminals: text is lifted towards white until it can be read on
// the well, grounds are mixed into it. The sixteen named ones have their own rules in the stylesheet.
func terminalColours() []byte {
	var out bytes.Buffer
	out.WriteString("@layer parts {\n")
	for n := 16; n < 256; n++ {
		c := xterm(n)
		fmt.Fprintf(&out, ".term-fgx%d{color:%s}.term-bgx%d{background:%s}\n", n, c.lifted(), n, c.sunk())
	}
	out.WriteString("}\n")
	return out.Bytes()
}

// xterm is colour n of the common palette: a 6x6x6 cube from 16, then 24 greys.
func xterm(n int) rgb {
	if n >= 232 {
		g := float64(8+10*(n-232)) / 255
		return rgb{g, g, g}
	}
	n -= 16
	level := func(i int) float64 {
		if i == 0 {
			return 0
		}
		return float64(55+40*i) / 255
	}
	return rgb{level(n / 36), level(n / 6 % 6), level(n % 6)}
}

func (c rgb) lifted() rgb {
	for contrast(c, well) < least {
		c = mix(c, rgb{1, 1, 1}, 0.06)
	}
	return c
}

func (c rgb) sunk() rgb { return mix(well, c, 0.24) }

func mix(a, b rgb, part float64) rgb {
	for i := range a {
		a[i] += (b[i] - a[i]) * part
	}
	return a
}

func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func (c rgb) luminance() float64 {
	lin := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(c[0]) + 0.7152*lin(c[1]) + 0.0722*lin(c[2])
}

// String is the colour as styles spell it.
func (c rgb) String() string {
	part := func(v float64) int { return int(math.Round(v * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", part(c[0]), part(c[1]), part(c[2]))
}
