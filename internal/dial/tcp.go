package dial

import (
	"net"
	"time"
)

// Dialer returns a dialer whose connections notice within about half a minute that the network is dead, also while data
// waits to be acknowledged.
func Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         boundUnacknowledged,
	}
}
