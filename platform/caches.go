package platform

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/cache"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/settings"
)

// cacheDir is the folder of the data directory for caches of builds.
const cacheDir = "caches"

// openCaches chooses where caches of builds are: in the bucket that the settings name, else on the node's disk.
func openCaches(s settings.Settings, n *Node, keys *seal.Keys) (*cache.Cache, error) {
	var blobs cache.Blobs
	var err error
	if s.CacheS3.URL != "" {
		blobs, err = cache.OpenS3(cache.S3Config{
			URL: s.CacheS3.URL, Region: s.CacheS3.Region, AccessKey: string(s.CacheS3.AccessKey), SecretKey: string(s.CacheS3.SecretKey),
		})
	} else {
		blobs, err = cache.OpenDisk(s.Path(cacheDir, "kept"), s.NodeID)
	}
	if err != nil {
		return nil, err
	}
	const around = 30 * time.Minute // a job waits for its worker and its machine before it begins
	return cache.New(n.store, blobs, cache.Config{
		Dir: s.Path(cacheDir, "incoming"), Keys: keys, Address: n.advertised, Pin: n.pin(), For: s.JobTimeout + around, Most: s.CacheBytes,
		Limits: ci.CacheLimits{Total: s.CacheTotal, Unused: time.Duration(s.CacheDays) * 24 * time.Hour},
		Warn:   s.HAEnabled && s.CacheS3.URL == "", Log: n.log,
	})
}

// advertised is the address of this node itself.
func (n *Node) advertised() string {
	if n.settings.AdvertiseURL != "" {
		return strings.TrimSuffix(n.settings.AdvertiseURL, "/")
	}
	return n.WebURL()
}

// pin is the key of a certificate that the node has made itself and nobody else vouches for, in the words of curl.
func (n *Node) pin() string {
	if n.settings.TLS.Cert != "" || len(n.doors.cert.Certificate) == 0 {
		return ""
	}
	leaf, err := x509.ParseCertificate(n.doors.cert.Certificate[0])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return "sha256//" + base64.StdEncoding.EncodeToString(sum[:])
}
