package testkit

import (
	"encoding/binary"
	"io"
)

// An AMQP frame is its type, its channel and the length of what follows, that, and one byte for its end.
const (
	frameHead = 7
	frameBody = 3 // the type that carries the body of a message
)

// frames reads what a RabbitMQ server or its client sends, frame by frame, and has the bodies of messages edited.
type frames struct {
	from  io.Reader
	edit  func(body []byte)
	frame []byte // what is left of the one that is read
}

// Read gives the next bytes.
func (f *frames) Read(p []byte) (int, error) {
	if len(f.frame) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.frame)
	f.frame = f.frame[n:]
	return n, nil
}

func (f *frames) next() error {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(f.from, head); err != nil {
		return err
	}
	if head[0] == 'A' { // the greeting of a client, "AMQP" and a version, or the server's answer to a wrong one
		f.frame = append(head, 0)
		_, err := io.ReadFull(f.from, f.frame[frameHead:])
		return err
	}
	frame := make([]byte, frameHead+int(binary.BigEndian.Uint32(head[3:]))+1)
	copy(frame, head)
	if _, err := io.ReadFull(f.from, frame[frameHead:]); err != nil {
		return err
	}
	if frame[0] == frameBody {
		f.edit(frame[frameHead : len(frame)-1])
	}
	f.frame = frame
	return nil
}
