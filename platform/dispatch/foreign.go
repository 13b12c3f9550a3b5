package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// samples is how many looks in a row must agree that a foreign worker is there. A worker of ours listens before its first
// heartbeat is stored.
const samples = 3

// foreign is what was seen of the workers of a queue that do not claim.
type foreign struct {
	seen  []int // the last looks
	noted bool  // the store knows of some, or may
}

// countForeign counts the consumers of each queue beyond the slots of our own workers: those are slots of workers that do
// not claim, and send no heartbeat. While our own are busy they do not consume and hide as many of the others; there is
// always one job more on the queue than there is room for, so that the others get work then, too.
func (d *Dispatch) countForeign(ctx context.Context) (again bool, err error) {
	own, err := d.store.OwnSlots(ctx)
	if err != nil {
		return false, err
	}
	for queue, slots := range own {
		info, err := d.carrier.Inspect(ctx, queue)
		if err != nil {
			return false, nil //nolint:nilerr // without a broker there is nothing to count; its own state says so
		}
		f := d.foreign[queue]
		if f == nil {
			f = &foreign{noted: true}
			d.foreign[queue] = f
		}
		n, known := f.look(max(info.Consumers-slots, 0))
		if !known || (n == 0 && !f.noted) {
			continue
		}
		if err := d.store.NoteForeign(ctx, queue, n); err != nil {
			return false, fmt.Errorf("queue %s: %w", queue, err)
		}
		if (n > 0) != f.noted {
			d.wake.Wake()
		}
		f.noted = n > 0
	}
	return false, nil
}

// look adds what was seen and returns the least of the last looks, once there are enough.
func (f *foreign) look(n int) (least int, known bool) {
	f.seen = append(f.seen, n)
	if len(f.seen) > samples {
		f.seen = f.seen[1:]
	}
	least = n
	for _, v := range f.seen {
		least = min(least, v)
	}
	return least, len(f.seen) == samples
}

// plain returns the config with text where foreign workers must have text: they give the whole job up for a list there, and
// die of a config that is null.
func plain(config json.RawMessage) json.RawMessage {
	var c map[string]json.RawMessage
	if json.Unmarshal(config, &c) != nil || c == nil {
		return json.RawMessage("{}")
	}
	changed := false
	for _, key := range []string{"language", "osx_image", "dist", "arch", "group", "os", "image_name"} {
		raw, given := c[key]
		if !given || bytes.HasPrefix(raw, []byte(`"`)) {
			continue
		}
		changed = true
		if text, ok := firstText(raw); ok {
			c[key] = text
		} else {
			delete(c, key)
		}
	}
	if !changed {
		return config
	}
	out, err := json.Marshal(c)
	if err != nil {
		return config
	}
	return out
}

// firstText returns a string for a string, a number or a boolean, and for the first of a list.
func firstText(raw json.RawMessage) (json.RawMessage, bool) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		if len(list) == 0 {
			return nil, false
		}
		raw = list[0]
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&v) != nil {
		return nil, false
	}
	switch v := v.(type) {
	case string, json.Number, bool:
		text, err := json.Marshal(fmt.Sprint(v))
		return text, err == nil
	default:
		return nil, false
	}
}
