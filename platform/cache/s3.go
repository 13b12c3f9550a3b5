package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// S3Config says which bucket.
type S3Config struct {
	// URL is https://host/bucket or https://host/bucket/prefix.
	URL string
	// Region is what signatures are for. Default us-east-1.
	Region string
	// AccessKey and SecretKey sign the requests.
	AccessKey, SecretKey string
	// Client sends them. Default: one that waits a minute for an answer.
	Client *http.Client
}

// S3 keeps bytes in a bucket of S3 or of a server that speaks like it.
type S3 struct {
	config S3Config
	base   *url.URL
}

// OpenS3 returns the bytes in a bucket. Nothing is sent yet.
func OpenS3(c S3Config) (*S3, error) {
	u, err := url.Parse(strings.TrimSuffix(c.URL, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(u.Path) < 2 || u.User != nil || u.RawQuery != "" {
		return nil, fault.Field("caches.s3.url", "caches.s3.url must be https://host/bucket, or with a folder behind the bucket.")
	}
	if c.AccessKey == "" || c.SecretKey == "" {
		return nil, fault.Field("caches.s3.access_key", "Caches in S3 need caches.s3.access_key and caches.s3.secret_key.")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Client == nil {
		c.Client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: time.Minute, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}}
	}
	return &S3{config: c, base: u}, nil
}

// Place is the bucket: every node has what is in it.
func (s *S3) Place() string { return s.base.String() }

// Put sends the file.
func (s *S3) Put(ctx context.Context, name string, f File) error {
	body, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	req, err := s.request(ctx, http.MethodPut, name, body)
	if err != nil {
		return err
	}
	req.ContentLength = f.Size
	return s.do(req, f.SHA256, func(*http.Response) error { return nil })
}

// Open asks for the bytes.
func (s *S3) Open(ctx context.Context, name string, from int64) (io.ReadCloser, error) {
	req, err := s.request(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	s.sign(req, emptySum, time.Now())
	resp, err := s.config.Client.Do(req)
	if err != nil {
		return nil, away(err)
	}
	if want := map[bool]int{true: http.StatusPartialContent, false: http.StatusOK}[from > 0]; resp.StatusCode != want {
		defer func() { _ = resp.Body.Close() }()
		return nil, answered(resp)
	}
	return resp.Body, nil
}

// Delete removes the object.
func (s *S3) Delete(ctx context.Context, name string) error {
	req, err := s.request(ctx, http.MethodDelete, name, nil)
	if err != nil {
		return err
	}
	err = s.do(req, emptySum, func(*http.Response) error { return nil })
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func (s *S3) request(ctx context.Context, method, name string, body io.Reader) (*http.Request, error) {
	u := *s.base
	u.Path += "/" + name
	return http.NewRequestWithContext(ctx, method, u.String(), body)
}

func (s *S3) do(req *http.Request, sum string, read func(*http.Response) error) error {
	s.sign(req, sum, time.Now())
	resp, err := s.config.Client.Do(req)
	if err != nil {
		return away(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return answered(resp)
	}
	return read(resp)
}

func away(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The server of caches.s3.url does not answer.")
}

func answered(resp *http.Response) error {
	if resp.StatusCode == http.StatusNotFound {
		return errNoBytes
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // for the log
	return fault.Wrap(fault.Unavailable, fmt.Errorf("%s: %s", resp.Status, text), "The server of caches.s3.url answered %s.", resp.Status)
}

// emptySum is the SHA-256 of no bytes.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign adds the headers of a signature of version 4; sum is that of the body.
func (s *S3) sign(req *http.Request, sum string, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", stamp)
	req.Header.Set("X-Amz-Content-Sha256", sum)
	names := []string{"host"}
	for name := range req.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") || n == "range" {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	signature := Signature(req, names, s.config.Region, s.config.SecretKey)
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		s.config.AccessKey, scope(stamp, s.config.Region), strings.Join(names, ";"), signature))
}

func scope(stamp, region string) string {
	return strings.Join([]string{stamp[:8], region, "s3", "aws4_request"}, "/")
}

// Signature is what version 4 of the signatures of S3 comes to for the headers of the names, in their order. The request has
// the date and the checksum of its body.
func Signature(req *http.Request, names []string, region, secret string) string {
	var headers strings.Builder
	for _, name := range names {
		value := req.Header.Get(name)
		if name == "host" {
			if value = req.Host; value == "" {
				value = req.URL.Host
			}
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	stamp := req.Header.Get("X-Amz-Date")
	canonical := strings.Join([]string{
		req.Method, req.URL.EscapedPath(), req.URL.Query().Encode(), headers.String(), strings.Join(names, ";"), req.Header.Get("X-Amz-Content-Sha256"),
	}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope(stamp, region), hex.EncodeToString(digest[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{stamp[:8], region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
