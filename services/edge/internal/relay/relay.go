// Package relay carries WebSocket connections to wsconn nodes in other processes. Before $connect runs it reserves a place at
// a node, which gives the connection's id; then it hands over what the node must know; from then on it passes bytes on.
//
// An idle connection costs no goroutine and no buffer: both its sockets rest in epoll. Where there is no epoll, two
// goroutines copy. The surprise: a relayed socket leaves Go's net package, its descriptor is the relay's own.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limen-gateway/limen/platform/connections"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	// reserveTime is how long a node may take to give a place, openTime to write the 101.
	reserveTime = 2 * time.Second
	openTime    = 10 * time.Second
	// avoidTime is how long a node that gave none is asked after the others.
	avoidTime = time.Second
	// leaveEvery is how often nodes are told again that this edge is about to end: connections may have opened since.
	leaveEvery = time.Second
)

// Config is what a Relay is made of.
type Config struct {
	// Nodes are the addresses of the nodes that take connections at this moment.
	Nodes func() []string
	// TLS proves who this edge is and who the nodes are; nil relays in the clear.
	TLS *tls.Config
	// DrainTimeout is how long relayed connections may take to end when the relay does; 0 is 30 s.
	DrainTimeout time.Duration
	Log          *slog.Logger
}

// Relay is safe for concurrent use.
type Relay struct {
	c      Config
	edge   uint64 // who this edge is to nodes
	dialer net.Dialer
	turn   atomic.Uint64

	mu       sync.Mutex           // guards what follows
	pump     *pump                // nil until it runs
	avoided  map[string]time.Time // until when
	open     map[string]int       // places and relayed connections, by node
	total    int
	draining bool
	empty    chan struct{} // closed when draining and none is left
}

// New makes a relay that does nothing yet.
func New(c Config) *Relay {
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Relay{c: c, edge: rand.Uint64(), avoided: map[string]time.Time{}, open: map[string]int{}, empty: make(chan struct{}),
		dialer: connections.RelayDialer()}
}

// Len is the number of connections that are relayed or about to be; 0 of a nil Relay.
func (r *Relay) Len() int {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Run passes bytes on until ctx ends. Then it has the nodes close what is relayed, and returns when nothing is left, or after
// DrainTimeout. Until the last handshake is over places are still reserved.
func (r *Relay) Run(ctx context.Context, handshakes <-chan struct{}) error {
	p, err := newPump()
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.pump = p
	r.mu.Unlock()
	var wg sync.WaitGroup
	pumping, stop := context.WithCancel(context.WithoutCancel(ctx))
	wg.Go(func() { p.run(pumping) })
	<-ctx.Done()
	r.drain(handshakes)
	stop()
	wg.Wait()
	return nil
}

func (r *Relay) drain(handshakes <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), r.c.DrainTimeout)
	defer cancel()
	again := time.NewTicker(leaveEvery)
	defer again.Stop()
	for {
		r.leave(ctx)
		select {
		case <-handshakes:
			handshakes = nil
			r.refuse()
		case <-r.empty:
			return
		case <-ctx.Done():
			r.refuse()
			r.c.Log.Warn("relayed connections did not end in time and are cut", "count", r.Len())
			return
		case <-again.C:
		}
	}
}

// refuse reserves no more places.
func (r *Relay) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.draining {
		r.draining = true
		r.settle()
	}
}

// leave tells the nodes that this edge is about to end.
func (r *Relay) leave(ctx context.Context) {
	r.mu.Lock()
	var nodes []string
	for address := range r.open {
		nodes = append(nodes, address)
	}
	r.mu.Unlock()
	var wg sync.WaitGroup
	for _, address := range nodes {
		wg.Go(func() {
			if err := r.say(ctx, address, &wsconnv1.RelayRequest{What: &wsconnv1.RelayRequest_Leave{Leave: &wsconnv1.RelayLeave{}}}); err != nil {
				r.c.Log.Warn("a wsconn node does not hear that this edge ends", "node", address, "error", err)
			}
		})
	}
	wg.Wait()
}

func (r *Relay) say(ctx context.Context, address string, q *wsconnv1.RelayRequest) error {
	conn, _, err := r.dial(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	q.Edge = r.edge
	_ = conn.SetDeadline(time.Now().Add(reserveTime))
	return connections.WriteRelayed(conn, q)
}

// Reserve finds a place for a connection that is about to open. It returns nil when no node gives one.
func (r *Relay) Reserve(ctx context.Context) *Place {
	for _, address := range r.candidates() {
		if !r.enter(address) {
			return nil
		}
		conn, id, err := r.dial(ctx, address)
		if err == nil && id != "" {
			return &Place{relay: r, address: address, id: id, conn: conn}
		}
		if err == nil {
			_ = conn.Close()
		} else if ctx.Err() == nil {
			r.c.Log.Warn("a wsconn node gives no place for a connection; another one is asked", "node", address, "error", err)
		}
		r.exit(address)
		r.avoid(address)
	}
	return nil
}

// candidates are the nodes in the order in which they are asked: each in its turn, those that failed just now last.
func (r *Relay) candidates() []string {
	nodes := r.c.Nodes()
	if len(nodes) == 0 {
		return nil
	}
	first := int(r.turn.Add(1) % uint64(len(nodes)))
	nodes = append(slices.Clone(nodes[first:]), nodes[:first]...)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(nodes, func(a, b string) int { return order(now.Before(r.avoided[a])) - order(now.Before(r.avoided[b])) })
	return nodes
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

func (r *Relay) avoid(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for a, until := range r.avoided {
		if now.After(until) {
			delete(r.avoided, a)
		}
	}
	r.avoided[address] = now.Add(avoidTime)
}

// dial connects to a node and reads which place it gives.
func (r *Relay) dial(ctx context.Context, address string) (conn net.Conn, id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, reserveTime)
	defer cancel()
	raw, err := r.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, "", err
	}
	conn = Conn(raw, nil)
	if r.c.TLS != nil {
		conn = tls.Client(conn, r.c.TLS)
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var place wsconnv1.RelayReserved
	if err = connections.ReadRelayed(conn, &place); err != nil {
		_ = conn.Close()
		return nil, "", err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, place.GetConnectionId(), nil
}

func (r *Relay) enter(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining || r.pump == nil {
		return false
	}
	r.open[address]++
	r.total++
	return true
}

func (r *Relay) exit(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total--
	if r.open[address]--; r.open[address] == 0 {
		delete(r.open, address)
	}
	r.settle()
}

// settle needs mu.
func (r *Relay) settle() {
	if r.draining && r.total == 0 {
		close(r.empty)
	}
}

// Place is reserved at a node, for one connection. It ends by Take or Release.
type Place struct {
	relay   *Relay
	address string
	id      string
	conn    net.Conn
	first   []byte // what the node has said to the client
}

// ID is the connection's.
func (p *Place) ID() string { return p.id }

var errNotOpened = errors.New("relay: the node closed the relay connection instead of opening the WebSocket")

// Open hands over a connection whose $connect has passed. After an error no node has it. The node's 101, which says that one
// has, is kept for Take.
func (p *Place) Open(h *wsconnv1.Handoff, key string) error {
	_ = p.conn.SetDeadline(time.Now().Add(openTime))
	err := connections.WriteRelayed(p.conn, &wsconnv1.RelayRequest{
		Edge: p.relay.edge, What: &wsconnv1.RelayRequest_Open{Open: &wsconnv1.RelayOpen{Handoff: h, Key: key}},
	})
	if err != nil {
		return err
	}
	b := make([]byte, 512)
	n, err := p.conn.Read(b)
	if n == 0 {
		return errors.Join(errNotOpened, err)
	}
	p.first = b[:n]
	return p.conn.SetDeadline(time.Time{})
}

// Take relays the client's connection, which has said head already. It does not block.
func (p *Place) Take(client net.Conn, head []byte) {
	r, address := p.relay, p.address
	r.pump.take(client, p.conn, head, p.first, func() { r.exit(address) })
}

// Release gives the place back: nothing came of the connection.
func (p *Place) Release() {
	_ = p.conn.Close()
	p.relay.exit(p.address)
}
