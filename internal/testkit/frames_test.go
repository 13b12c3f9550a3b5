package testkit

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	frame := func(kind byte, payload string) []byte {
		return slices.Concat([]byte{kind, 0, 1, 0, 0, 0, byte(len(payload))}, []byte(payload), []byte{0xCE})
	}
	sent := slices.Concat([]byte("AMQP\x00\x00\x09\x01"), frame(1, "a method"), frame(2, "a header"), frame(3, "a body"), frame(8, ""), frame(3, "another"))
	want := slices.Concat([]byte("AMQP\x00\x00\x09\x01"), frame(1, "a method"), frame(2, "a header"), frame(3, "A BODY"), frame(8, ""), frame(3, "ANOTHER"))
	shout := func(body []byte) { copy(body, bytes.ToUpper(body)) }
	for name, from := range map[string]io.Reader{"at once": bytes.NewReader(sent), "byte by byte": iotest.OneByteReader(bytes.NewReader(sent))} {
		got, err := io.ReadAll(iotest.OneByteReader(&frames{from: from, edit: shout}))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %q %v", name, got, err)
		}
	}
	if _, err := io.ReadAll(&frames{from: bytes.NewReader(sent[:20]), edit: shout}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("within a frame: %v", err)
	}
}
