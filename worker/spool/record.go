package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// A record on disk is a head of 16 bytes (mark, length of the description, length of the body, checksum of both), the
// description as JSON and the body: the text of a log part, or a state report as JSON.
const (
	recordMark = "HRS1"
	headSize   = 16
	mostText   = 4 << 10
	mostBody   = 16 << 20
)

// errTorn: the bytes are no record, or not a whole one.
var errTorn = errors.New("no whole record is there")

// record describes an item on disk.
type record struct {
	Seq     int           `json:"seq"`
	Part    int           `json:"part"`            // -1: a state
	State   string        `json:"state,omitempty"` // of a state report
	Final   bool          `json:"final,omitempty"`
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
}

func checksum(text, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(text, table), table, body)
}

func (r record) encode(body []byte) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(text) > mostText || len(body) > mostBody {
		return nil, fmt.Errorf("a record of %d bytes is too large for the spool", len(body))
	}
	out := make([]byte, headSize, headSize+len(text)+len(body))
	copy(out, recordMark)
	binary.BigEndian.PutUint32(out[4:], uint32(len(text)))     //nolint:gosec // bounded above
	binary.BigEndian.PutUint32(out[8:], uint32(len(body)))     //nolint:gosec // bounded above
	binary.BigEndian.PutUint32(out[12:], checksum(text, body)) // of what follows
	return append(append(out, text...), body...), nil
}

// readRecord reads one record. [io.EOF] at the end, errTorn where none is, or only a piece of one.
func readRecord(r io.Reader) (rec record, body []byte, err error) {
	head := make([]byte, headSize)
	if _, err := io.ReadFull(r, head); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errTorn
		}
		return rec, nil, err
	}
	texts, bodies := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != recordMark || texts > mostText || bodies > mostBody {
		return rec, nil, errTorn
	}
	rest := make([]byte, int(texts)+int(bodies))
	if _, err := io.ReadFull(r, rest); err != nil {
		return rec, nil, errors.Join(errTorn, err)
	}
	text, body := rest[:texts], rest[texts:]
	if checksum(text, body) != binary.BigEndian.Uint32(head[12:]) {
		return rec, nil, errTorn
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		return rec, nil, errors.Join(errTorn, err)
	}
	return rec, body, nil
}
