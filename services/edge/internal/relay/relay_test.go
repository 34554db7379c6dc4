package relay

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/platform/connections"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hello = "HTTP/1.1 101 Switching Protocols\r\n\r\n"

// node is the other end of relay connections: it gives places, and each connection that is opened to the test.
type node struct {
	t      *testing.T
	addr   string
	id     string // empty gives none
	refuse bool   // to open
	tls    *tls.Config
	opened chan net.Conn
	left   chan uint64
}

func startNode(t *testing.T, n *node) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.t, n.addr, n.opened, n.left = t, l.Addr().String(), make(chan net.Conn, 1000), make(chan uint64, 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if n.tls != nil {
				c = tls.Server(c, n.tls)
			}
			wg.Go(func() { n.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return n
}

func (n *node) serve(c net.Conn) {
	_ = connections.WriteRelayed(c, &wsconnv1.RelayReserved{ConnectionId: n.id})
	var q wsconnv1.RelayRequest
	err := connections.ReadRelayed(c, &q)
	switch {
	case err == nil && q.GetLeave() != nil:
		n.left <- q.GetEdge()
	case err == nil && !n.refuse && q.GetOpen().GetKey() == "key" && q.GetOpen().GetHandoff().GetConnectionId() == n.id:
		_, _ = io.WriteString(c, hello)
		n.opened <- c
		return
	}
	_ = c.Close()
}

func startRelay(t *testing.T, c Config, nodes ...*node) (r *Relay, stop func()) {
	t.Helper()
	c.Nodes = func() (out []string) {
		for _, n := range nodes {
			out = append(out, n.addr)
		}
		return out
	}
	r = New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, ctx.Done()) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	for !r.enter("started") {
		runtime.Gosched()
	}
	r.exit("started")
	return r, stop
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// link opens a connection through the relay and returns its ends; head has come with the handshake.
func link(t *testing.T, r *Relay, n *node, secure *tls.Config, head string) (client, atNode net.Conn) {
	t.Helper()
	return linkOver(t, r, n, func(client, accepted net.Conn) (net.Conn, net.Conn) {
		if secure == nil {
			return client, accepted
		}
		server := tls.Server(Conn(accepted, nil), secure)
		failed := make(chan error, 1)
		go func() { failed <- server.Handshake() }()
		over := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		if err := errors.Join(over.Handshake(), <-failed); err != nil {
			t.Fatal(err)
		}
		return over, server
	}, head)
}

// linkOver is link with what lies over the client's connection, at the client and at the relay.
func linkOver(t *testing.T, r *Relay, n *node, over func(client, accepted net.Conn) (net.Conn, net.Conn), head string) (client, atNode net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client, accepted = over(client, accepted)
	p := r.Reserve(t.Context())
	if p == nil {
		t.Fatal("no node gives a place")
	}
	if err := p.Open(&wsconnv1.Handoff{ConnectionId: p.ID()}, "key"); err != nil {
		t.Fatal(err)
	}
	p.Take(accepted, []byte(head))
	atNode = <-n.opened
	for _, c := range []net.Conn{client, atNode} {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		t.Cleanup(func() { _ = c.Close() })
	}
	expect(t, client, hello)
	expect(t, atNode, head)
	return client, atNode
}

func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); string(got) != want {
		t.Fatalf("%q, %v, want %q", got[:n], err, want)
	}
}

// ends are the relays: with TLS on either side, both or none.
func ends(t *testing.T, f func(t *testing.T, client, atNode net.Conn)) {
	secure := certificate(t)
	for name, c := range map[string]struct{ client, node *tls.Config }{
		"plain": {}, "client over TLS": {client: secure}, "node over TLS": {node: secure}, "both over TLS": {secure, secure},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, &node{id: "id", tls: c.node})
			config := Config{DrainTimeout: time.Millisecond}
			if c.node != nil {
				config.TLS = &tls.Config{InsecureSkipVerify: true}
			}
			r, _ := startRelay(t, config, n)
			client, atNode := link(t, r, n, c.client, "read with the handshake")
			f(t, client, atNode)
		})
	}
}

func TestBytesPassBothWays(t *testing.T) {
	ends(t, func(t *testing.T, client, atNode net.Conn) {
		for _, way := range [][2]net.Conn{{client, atNode}, {atNode, client}} {
			for _, b := range []byte("byte by byte") {
				_, _ = way[0].Write([]byte{b})
				expect(t, way[1], string(b))
			}
			big := bytes.Repeat([]byte("0123456789abcdef"), 64<<10/16)
			_, _ = way[0].Write(big)
			expect(t, way[1], string(big))
		}
	})
}

// TestNothingIsLostWhenNobodyReads: a side that does not read holds the other up, which loses nothing by it.
func TestNothingIsLostWhenNobodyReads(t *testing.T) {
	ends(t, func(t *testing.T, client, atNode net.Conn) {
		sent := make([]byte, 24<<20)
		_, _ = rand.Read(sent)
		var writing sync.WaitGroup
		for _, c := range []net.Conn{client, atNode} {
			writing.Go(func() {
				if _, err := c.Write(sent); err != nil {
					t.Error(err)
				}
			})
		}
		for _, c := range []net.Conn{client, atNode} { // one after the other: meanwhile the first is held up
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("what arrives is not what was sent: %v", err)
			}
		}
		writing.Wait()
	})
}

func TestOneEndEndsTheOther(t *testing.T) {
	ends(t, func(t *testing.T, client, atNode net.Conn) {
		_, _ = io.WriteString(client, "last words")
		_ = client.Close()
		if got, err := io.ReadAll(atNode); string(got) != "last words" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
	ends(t, func(t *testing.T, client, atNode net.Conn) {
		_, _ = io.WriteString(atNode, "last words")
		_ = atNode.Close()
		if got, err := io.ReadAll(client); string(got) != "last words" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
	n := startNode(t, &node{id: "id"})
	r, _ := startRelay(t, Config{}, n)
	for i, name := range []string{"the client breaks off", "the node breaks off"} {
		client, atNode := link(t, r, n, nil, "")
		broken, other := client, atNode
		if i == 1 {
			broken, other = atNode, client
		}
		_ = broken.(*net.TCPConn).SetLinger(0)
		_ = broken.Close()
		if _, err := other.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the other side does not see it", name)
		}
	}
	for deadline := time.Now().Add(time.Minute); r.Len() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d are left", r.Len())
		}
	}
}

func TestAClientThatStaysAfterTheEnd(t *testing.T) {
	n := startNode(t, &node{id: "id"})
	r, _ := startRelay(t, Config{}, n)
	client, atNode := link(t, r, n, nil, "")
	_ = atNode.Close()
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for deadline := time.Now().Add(time.Minute); r.Len() > 0; time.Sleep(time.Millisecond) { // the client does not close
		if time.Now().After(deadline) {
			t.Fatal("the relay keeps it")
		}
	}
}

func TestWhichNodeGetsAConnection(t *testing.T) {
	one, two, full := startNode(t, &node{id: "one"}), startNode(t, &node{id: "two"}), startNode(t, &node{})
	dead := startNode(t, &node{})
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	dead.addr = l.Addr().String()
	_ = l.Close()
	r, _ := startRelay(t, Config{}, one, full, two, dead)
	got := map[string]int{}
	for range 100 {
		p := r.Reserve(t.Context())
		if p == nil {
			t.Fatal("nobody gives a place")
		}
		got[p.ID()]++
		p.Release()
	}
	if got["one"] < 20 || got["two"] < 20 || r.Len() != 0 {
		t.Errorf("%v, %d left", got, r.Len())
	}
	for name, nodes := range map[string][]*node{"none": nil, "a full one and a dead one": {full, dead}} {
		r, _ := startRelay(t, Config{}, nodes...)
		if p := r.Reserve(t.Context()); p != nil {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestANodeThatDoesNotOpen(t *testing.T) {
	n := startNode(t, &node{id: "id", refuse: true})
	r, _ := startRelay(t, Config{}, n)
	p := r.Reserve(t.Context())
	if err := p.Open(&wsconnv1.Handoff{ConnectionId: p.ID()}, "key"); !errors.Is(err, errNotOpened) {
		t.Error(err)
	}
	p.Release()
}

// TestTheEnd: the nodes hear that the edge ends, no place is given any more, and what is relayed may finish.
func TestTheEnd(t *testing.T) {
	n := startNode(t, &node{id: "id"})
	r, stop := startRelay(t, Config{}, n)
	client, atNode := link(t, r, n, nil, "")
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	if edge := <-n.left; edge != r.edge {
		t.Errorf("%x leaves, not %x", edge, r.edge)
	}
	for p := r.Reserve(t.Context()); p != nil; p = r.Reserve(t.Context()) { // the last handshake is over
		p.Release()
	}
	_, _ = io.WriteString(atNode, "going away")
	_ = atNode.Close()
	if got, err := io.ReadAll(client); string(got) != "going away" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_ = client.Close()
	<-ended
}
