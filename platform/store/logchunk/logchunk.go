// Package logchunk is the form in which the store keeps logs that nobody writes any more: parts that follow one another,
// compressed together, with an index of where each begins. It does no I/O and must not know whose log it is.
package logchunk

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Bounds of a chunk.
const (
	// MostBytes is the most bytes of text that parts of one chunk have together, unless a single part has more.
	MostBytes = 1 << 20
	// MostParts is the most parts of one chunk.
	MostParts = 8192
	// mostMemory bounds what a chunk may unpack to, whatever it says.
	mostMemory = 4 << 20
)

// Part is a part of a log.
type Part struct {
	Number  int
	Content []byte
	Lines   int64 // ends of lines in Content
	Elapsed time.Duration
	Final   bool
	// Size is the length of Content, also where the content itself is not read.
	Size int
}

// Chunk is parts as they are kept.
type Chunk struct {
	// Index says how many parts there are, and of each number, size, lines, elapsed time and whether it is the final one.
	Index []byte
	// Content is the text of all.
	Content []byte
}

// Codec packs and unpacks chunks. It is safe for concurrent use; its memory is bounded by the number of CPUs.
type Codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewCodec returns a Codec.
func NewCodec() (*Codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(MostBytes), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(mostMemory), zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	return &Codec{encoder: encoder, decoder: decoder}, nil
}

// Close gives the memory back. Nothing can be packed or unpacked afterwards.
func (c *Codec) Close() error {
	c.decoder.Close()
	return c.encoder.Close()
}

// Pack makes a chunk of parts, whose numbers must grow.
func (c *Codec) Pack(parts []Part) Chunk {
	index := binary.AppendUvarint(nil, uint64(len(parts)))
	var text []byte
	next, elapsed := 0, time.Duration(0)
	for _, p := range parts {
		final := uint64(0)
		if p.Final {
			final = 1
		}
		index = binary.AppendUvarint(index, uint64(p.Number-next)<<1|final) //nolint:gosec // numbers grow
		index = binary.AppendUvarint(index, uint64(len(p.Content)))
		index = binary.AppendUvarint(index, uint64(p.Lines)) //nolint:gosec // a count
		index = binary.AppendVarint(index, int64((p.Elapsed-elapsed)/time.Microsecond))
		next, elapsed = p.Number+1, p.Elapsed
		text = append(text, p.Content...)
	}
	return Chunk{Index: c.encoder.EncodeAll(index, nil), Content: c.encoder.EncodeAll(text, nil)}
}

// Parts unpacks a chunk.
func (c *Codec) Parts(chunk Chunk) ([]Part, error) {
	parts, err := c.Index(chunk.Index)
	if err != nil {
		return nil, err
	}
	text, err := c.decoder.DecodeAll(chunk.Content, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack a chunk of a log: %w", err)
	}
	for i := range parts {
		size := parts[i].Size
		if size > len(text) {
			return nil, fmt.Errorf("unpack a chunk of a log: its text ends in part %d", parts[i].Number)
		}
		parts[i].Content, text = text[:size:size], text[size:]
	}
	if len(text) > 0 {
		return nil, fmt.Errorf("unpack a chunk of a log: %d bytes are of no part", len(text))
	}
	return parts, nil
}

// Index unpacks the index alone: the parts without their content.
func (c *Codec) Index(packed []byte) ([]Part, error) {
	index, err := c.decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack the index of a log: %w", err)
	}
	r := reader{rest: index}
	count := r.uint()
	if r.broken || count > uint64(len(index)) {
		return nil, fmt.Errorf("unpack the index of a log: it is too short for %d parts", count)
	}
	parts := make([]Part, 0, count)
	next, elapsed := 0, time.Duration(0)
	for range count {
		head := r.uint()
		p := Part{Number: next + int(head>>1), Final: head&1 == 1, Size: int(r.uint()), Lines: int64(r.uint())} //nolint:gosec // checked below
		elapsed += time.Duration(r.int()) * time.Microsecond
		p.Elapsed = elapsed
		if r.broken || p.Number < next || p.Size < 0 || p.Size > mostMemory {
			return nil, fmt.Errorf("unpack the index of a log: part %d of %d cannot be read", len(parts)+1, count)
		}
		next = p.Number + 1
		parts = append(parts, p)
	}
	return parts, nil
}

// reader reads numbers.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.broken, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}
