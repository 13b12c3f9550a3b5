package hooks

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/headrace/headrace/platform/ci"
)

// headerBytes come before each record: its length and the CRC of the record, both of 4 bytes.
const headerBytes = 8

// mostRecord bounds the length of a record; what claims to be longer is no record.
const mostRecord = 1 << 20

// spool is a file of hooks that are not in the database yet. A record is on disk when append returns. The file is emptied when
// all of it is stored; a process that dies before begins with the first record again, which does no harm: a delivery makes
// one request.
type spool struct {
	limit int64

	mu    sync.Mutex
	file  *os.File
	size  int64 // bytes of whole records
	done  int64 // bytes of records that are stored
	count int   // records that are not
}

// errFull: the file holds as much as it may.
var errFull = errors.New("the file of hooks is full")

// openSpool opens the file. A record at its end that was not written wholly is cut off; nobody was told that it is kept.
// damaged says that the file was not readable further, although that cannot be the cause; the whole of it is kept beside.
func openSpool(path string, limit int64) (s *spool, damaged string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the node's own folder
	if err != nil {
		return nil, "", fmt.Errorf("open the file of hooks: %w", err)
	}
	s = &spool{limit: limit, file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, "", err
	}
	torn, err := s.scan(info.Size())
	if err != nil || s.size == info.Size() {
		return s, "", errors.Join(err, syncDir(filepath.Dir(path)))
	}
	if !torn {
		damaged = path + ".damaged"
		if err := copyFile(path, damaged); err != nil {
			return nil, "", fmt.Errorf("keep the damaged file of hooks: %w", err)
		}
	}
	return s, damaged, errors.Join(file.Truncate(s.size), file.Sync(), syncDir(filepath.Dir(path)))
}

// scan counts the whole records. torn says that what follows them is the beginning of one.
func (s *spool) scan(size int64) (torn bool, err error) {
	r := bufio.NewReader(io.NewSectionReader(s.file, 0, size))
	for {
		body, err := readRecord(r)
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return true, nil
		case errors.Is(err, errDamaged):
			return s.lastRecord(r), nil
		case err != nil:
			return false, fmt.Errorf("read the file of hooks: %w", err)
		}
		s.size += headerBytes + int64(len(body))
		s.count++
	}
}

// lastRecord reports whether nothing follows what was read last: then a record whose bytes are wrong is one that was being
// written, since its length may have reached the disk before the rest did.
func (s *spool) lastRecord(r *bufio.Reader) bool {
	_, err := r.Peek(1)
	return errors.Is(err, io.EOF)
}

var errDamaged = errors.New("a record of the file of hooks is damaged")

// readRecord reads the next one. io.EOF: there is none; io.ErrUnexpectedEOF: not all of it is there.
func readRecord(r io.Reader) ([]byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:4])
	if length == 0 || length > mostRecord {
		return nil, errDamaged
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(header[4:]) {
		return nil, errDamaged
	}
	return body, nil
}

// append writes a hook to the end and waits until the disk has it.
func (s *spool) append(h ci.HookRequest) error {
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode a hook: %w", err)
	}
	if len(body) > mostRecord {
		return fmt.Errorf("keep a hook: %d bytes are more than a record holds", len(body))
	}
	record := make([]byte, headerBytes, headerBytes+len(body))
	binary.BigEndian.PutUint32(record[:4], uint32(len(body))) //nolint:gosec // bounded above
	binary.BigEndian.PutUint32(record[4:], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	record = append(record, body...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size+int64(len(record)) > s.limit {
		return errFull
	}
	if _, err = s.file.WriteAt(record, s.size); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write to the file of hooks: %w", errors.Join(err, s.file.Truncate(s.size)))
	}
	s.size += int64(len(record))
	s.count++
	return nil
}

// next returns the oldest hooks that are not stored, at most so many, and where they end.
func (s *spool) next(most int) (hooks []ci.HookRequest, end int64, err error) {
	s.mu.Lock()
	from, to := s.done, s.size
	s.mu.Unlock()
	r := bufio.NewReader(io.NewSectionReader(s.file, from, to-from))
	end = from
	for len(hooks) < most && end < to {
		body, err := readRecord(r)
		if err != nil {
			return nil, end, fmt.Errorf("read the file of hooks: %w", err)
		}
		var h ci.HookRequest
		if json.Unmarshal(body, &h) != nil {
			h = ci.HookRequest{} // of another version: no repository takes it, which is logged
		}
		end += headerBytes + int64(len(body))
		hooks = append(hooks, h)
	}
	return hooks, end, nil
}

// stored notes that the hooks up to there are in the database. With the last one the file is emptied.
func (s *spool) stored(end int64, hooks int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = end
	s.count -= hooks
	if s.done < s.size {
		return nil
	}
	s.done, s.size, s.count = 0, 0, 0
	if err := errors.Join(s.file.Truncate(0), s.file.Sync()); err != nil {
		return fmt.Errorf("empty the file of hooks: %w", err)
	}
	return nil
}

// waiting returns how many hooks wait to be stored, and how many bytes the file has.
func (s *spool) waiting() (count int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.size
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from) //nolint:gosec // the node's own file
	if err != nil {
		return err
	}
	return replaceFile(to, content)
}
