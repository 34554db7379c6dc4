// Package proxytest puts a TCP proxy between a client and a server of a test, so that the network between them can fail:
// it can stand still, as if a host were paused or a cable pulled, or be cut, as if the process were killed.
package proxytest

import (
	"net"
	"sync"
	"testing"
)

// Proxy forwards connections to one address. It is safe for concurrent use.
type Proxy struct {
	addr   string
	target func() (network, addr string)
	wg     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]struct{}
	flow     chan struct{} // closed while bytes may flow
	closed   bool
}

// New starts a proxy on loopback; it ends with the test. target is asked for each connection.
func New(t testing.TB, target func() (network, addr string)) *Proxy {
	t.Helper()
	flow := make(chan struct{})
	close(flow)
	p := &Proxy{target: target, conns: map[net.Conn]struct{}{}, flow: flow, addr: FreeAddress(t)}
	if err := p.listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect; it stays the same.
func (p *Proxy) Addr() string { return p.addr }

func (p *Proxy) listen() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.addr = l.Addr().String()
	p.listener = l
	p.wg.Go(func() { p.accept(l) })
	return nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	if !p.add(client) {
		return
	}
	defer p.remove(client)
	server, err := net.Dial(p.target())
	if err != nil {
		return
	}
	defer server.Close()
	if !p.add(server) {
		return
	}
	defer p.remove(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
}

// copy forwards until one side ends, then ends both.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		flow := p.flow
		p.mu.Unlock()
		<-flow
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener == nil {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// Pause holds back every byte, on old connections and on new ones, which are still accepted: what a paused host does.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
		p.flow = make(chan struct{})
	default:
	}
}

// Resume lets the bytes flow that Pause held back.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resume()
}

func (p *Proxy) resume() {
	select {
	case <-p.flow:
	default:
		close(p.flow)
	}
}

// Cut ends every connection and refuses new ones: what a killed process does.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		_ = c.Close()
	}
	p.resume() // nothing is left to hold back
}

// Restore accepts connections again after Cut, at the same address.
func (p *Proxy) Restore(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.closed {
		return
	}
	if err := p.listen(); err != nil {
		t.Fatal(err)
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.cut()
	p.mu.Unlock()
	p.wg.Wait()
}
