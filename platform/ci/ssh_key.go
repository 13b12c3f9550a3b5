package ci

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/headrace/headrace/internal/fault"
)

// SSHKey is the public half of the key that jobs of a repository fetch with.
type SSHKey struct {
	RepositoryID int64
	Description  string
	Public       string // one line, as authorized_keys has it
	Fingerprint  string // as ssh-keygen -l shows it
	CreatedAt    time.Time
}

// maxSSHKey is how long a private key may be; one of RSA with 16,384 bits is shorter.
const maxSSHKey = 16 << 10

// ParseSSHKey returns the public half of a private key, and the private one as ssh reads it.
func ParseSSHKey(private string) (k SSHKey, normal string, err error) {
	if len(private) > maxSSHKey {
		return k, "", fault.Field("value", "The key is longer than %d bytes. Give a private key as ssh-keygen makes it.", maxSSHKey)
	}
	normal = strings.TrimSpace(strings.ReplaceAll(private, "\r\n", "\n")) + "\n"
	signer, err := ssh.ParsePrivateKey([]byte(normal))
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return k, "", fault.Field("value", "The key asks for a passphrase, which nobody can type in a job. Give a key without one.")
	}
	if err != nil {
		return k, "", fault.Field("value", "This is no private key that ssh can read. Give the text of the file that ssh-keygen made, from BEGIN to END.")
	}
	k.Public = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	k.Fingerprint = ssh.FingerprintSHA256(signer.PublicKey())
	return k, normal, nil
}
