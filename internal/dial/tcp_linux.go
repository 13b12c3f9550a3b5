package dial

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledged is how long sent data may wait for the peer's acknowledgement before the connection counts as dead.
const unacknowledged = 25 * time.Second

func boundUnacknowledged(_, _ string, conn syscall.RawConn) error {
	var set error
	if err := conn.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged.Milliseconds()))
	}); err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	if set != nil {
		return fmt.Errorf("bound the wait for acknowledgements: %w", set)
	}
	return nil
}
