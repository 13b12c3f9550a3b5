package servers

import (
	"errors"
	"path/filepath"
)

// Certificates are what a server proves itself with, and by which authority it knows its clients: PEM text.
type Certificates struct {
	CA, Cert, Key string
}

// write makes files of them that belong to the server's account, and returns their paths.
func (c Certificates) write(s *Server) (ca, cert, key string, err error) {
	ca, cert, key = filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
	return ca, cert, key, errors.Join(s.write(ca, c.CA), s.write(cert, c.Cert), s.write(key, c.Key))
}
