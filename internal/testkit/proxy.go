package testkit

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a client and a server, for faults of the network.
type Proxy struct {
	target   string
	listener net.Listener
	hear     func(io.Reader) io.Reader // what the client gets of what the server says
	say      func(io.Reader) io.Reader // and the other way round
	wg       sync.WaitGroup

	mu    sync.Mutex
	pairs map[*pair]struct{}
	shut  bool // nobody is let through
}

// pair is one connection through the proxy.
type pair struct {
	near, far net.Conn
	mu        sync.Mutex
	frozen    chan struct{} // nil while bytes flow; closed when the pair ends
}

// NewProxy returns a proxy before the server that the URL names, and the URL with the proxy in the server's place.
func NewProxy(tb testing.TB, server string) (*Proxy, string) {
	tb.Helper()
	same := func(r io.Reader) io.Reader { return r }
	return newProxy(tb, server, same, same)
}

// NewAMQPProxy returns a proxy before a RabbitMQ server that hands the body of every message which a client gets to hear,
// and of every message which it sends to say, before it goes on. What they do to it in place is what the other side reads.
// They are called by several connections at once.
func NewAMQPProxy(tb testing.TB, server string, hear, say func(body []byte)) (*Proxy, string) {
	tb.Helper()
	edited := func(edit func([]byte)) func(io.Reader) io.Reader {
		return func(r io.Reader) io.Reader { return &frames{from: r, edit: edit} }
	}
	return newProxy(tb, server, edited(hear), edited(say))
}

func newProxy(tb testing.TB, server string, hear, say func(io.Reader) io.Reader) (*Proxy, string) {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal("the server's address is not a URL")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{target: u.Host, listener: l, hear: hear, say: say, pairs: map[*pair]struct{}{}}
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
		p.Cut()
		p.wg.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// Cut closes all connections.
func (p *Proxy) Cut() {
	for _, c := range p.all() {
		c.close()
	}
}

// Shut closes all connections and lets nobody through, until it is called with false.
func (p *Proxy) Shut(shut bool) {
	p.mu.Lock()
	p.shut = shut
	p.mu.Unlock()
	if shut {
		p.Cut()
	}
}

// Freeze makes the present connections hang for good: neither side hears anything, also not of an end. New ones work.
func (p *Proxy) Freeze() {
	for _, c := range p.all() {
		c.mu.Lock()
		if c.frozen == nil {
			c.frozen = make(chan struct{})
		}
		c.mu.Unlock()
	}
}

func (p *Proxy) all() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*pair, 0, len(p.pairs))
	for c := range p.pairs {
		list = append(list, c)
	}
	return list
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		c := &pair{near: near, far: far}
		p.mu.Lock()
		if p.shut {
			p.mu.Unlock()
			c.close()
			continue
		}
		p.pairs[c] = struct{}{}
		p.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { c.pump(far, p.say(near)) })
		both.Go(func() { c.pump(near, p.hear(far)) })
		p.wg.Go(func() {
			both.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.pairs, c)
		})
	}
}

// pump moves bytes one way until an end of either side, which it tells the other unless the pair is frozen.
func (c *pair) pump(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		frozen := c.frozen
		c.mu.Unlock()
		if frozen != nil {
			<-frozen
			return
		}
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			c.close()
			return
		}
	}
}

func (c *pair) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen == nil {
		c.frozen = make(chan struct{})
	}
	select {
	case <-c.frozen:
	default:
		close(c.frozen)
	}
	_ = c.near.Close()
	_ = c.far.Close()
}
