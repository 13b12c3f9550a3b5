package docker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// DefaultImage is the image that `headrace worker image build` makes, and what jobs get where nothing else is said.
const DefaultImage = "headrace/default:latest"

const defaultKey = "default"

// Images maps what jobs ask for to images. Keys are what `image:`, `language:` or `dist:` of a .travis.yml say, a dist and a
// language with a slash between them, or "default".
type Images map[string]string

// ParseImages reads "key=image" pairs with commas between them.
func ParseImages(text string) (Images, error) {
	images := Images{}
	for pair := range strings.SplitSeq(text, ",") {
		pair = strings.TrimSpace(pair)
		if pair == "" {
			continue
		}
		key, image, ok := strings.Cut(pair, "=")
		key, image = strings.TrimSpace(key), strings.TrimSpace(image)
		if !ok || key == "" || image == "" || strings.ContainsAny(image, " \t") || strings.HasPrefix(image, "-") {
			return nil, fault.Field("images", "HEADRACE_IMAGES is a list of key=image with commas between them; %q is not. Example: default=headrace/default,go=golang:1.26,jammy=registry.example.com/ci:jammy.", pair)
		}
		if _, twice := images[key]; twice {
			return nil, fault.Field("images", "HEADRACE_IMAGES has %q twice.", key)
		}
		images[strings.ToLower(key)] = image
	}
	return images, nil
}

// Names are the images of the map, each once, the default included.
func (m Images) Names() []string {
	names := []string{m.fallback()}
	for _, name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Keys are the keys that lead to an image, sorted.
func (m Images) Keys(image string) []string {
	var keys []string
	for key, name := range m {
		if name == image {
			keys = append(keys, key)
		}
	}
	if _, set := m[defaultKey]; !set && image == DefaultImage {
		keys = append(keys, defaultKey)
	}
	slices.Sort(keys)
	return keys
}

func (m Images) fallback() string {
	if name := m[defaultKey]; name != "" {
		return name
	}
	return DefaultImage
}

// choose gives the image for a job, and the key that led to it. An image that a job names itself must be a key: what a
// worker runs is chosen by those who run it.
func (m Images) choose(w executor.Wish) (name, key string, err error) {
	if w.Image != "" {
		key := strings.ToLower(w.Image)
		if name, ok := m[key]; ok {
			return name, key, nil
		}
		return "", "", fault.New(fault.Unavailable, "The job asks for the image %q, and this worker has none of that name. HEADRACE_IMAGES on the worker lists what there is: %s.", w.Image, m.listed())
	}
	if w.OS != "" && w.OS != "linux" && m[strings.ToLower(w.OS)] == "" {
		return "", "", fault.New(fault.Unavailable, "The job asks for os: %s, and this worker runs containers of Linux. Give it a worker of its own, or a key of that name in HEADRACE_IMAGES.", w.OS)
	}
	for _, key := range []string{w.Dist + "/" + w.Language, w.Language, w.Dist, w.OS} {
		key = strings.ToLower(key)
		if name, ok := m[key]; ok && key != "" && key != defaultKey {
			return name, key, nil
		}
	}
	return m.fallback(), defaultKey, nil
}

func (m Images) listed() string {
	var pairs []string
	for key, name := range m {
		pairs = append(pairs, fmt.Sprintf("%s=%s", key, name))
	}
	if len(pairs) == 0 {
		return "nothing yet"
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ", ")
}
