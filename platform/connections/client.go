package connections

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	// Lease is how long a node counts as alive after it last said so.
	Lease = 5 * time.Second
	// settled is how long an asker must have been connected itself before it believes that a lease is gone: after an
	// outage live nodes need a moment to come back.
	settled = Lease + 5*time.Second
	// answerWithin is how long a node may take.
	answerWithin = 2 * time.Second
	// comesBackWithin is how long a lease must have been over before its node is dead: when the members of NATS had no
	// majority for a while all leases end at once, and live nodes take theirs again at their next renewal.
	comesBackWithin = renewEvery + answerWithin

	// NodeBucket keeps the leases of the nodes.
	NodeBucket = "limen_wsconn_nodes"
	// PushSubject begins the subjects that nodes answer on; number and connection id follow.
	PushSubject = "ws.push."
)

// ErrUnknown says that nobody knows whether the connection is open: its node may be alive, and did not answer.
var ErrUnknown = errors.New("connections: the node of the connection does not answer")

// Local answers for the node of this process without NATS between; nil, or false, when the id is another node's.
type Local func(*wsconnv1.Request) (*wsconnv1.Answer, bool)

// Client asks nodes. It is safe for concurrent use.
type Client struct {
	nats  *nats.Conn
	local Local
	link  *link

	mu     sync.Mutex // guards leases
	leases jetstream.Stream
}

// NewClient makes a client; without NATS it reaches only the node of this process. Run must run for Gone to be found out.
func NewClient(nc *nats.Conn, local Local, now func() time.Time) *Client {
	return &Client{nats: nc, local: local, link: newLink(nc, now)}
}

// Run notes since when NATS is reachable, until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	if c.nats == nil {
		<-ctx.Done()
		return nil
	}
	c.link.run(ctx)
	return nil
}

// Ask asks the node of a connection. ErrUnknown is the only error: an answer comes, or nobody knows.
func (c *Client) Ask(ctx context.Context, r *wsconnv1.Request) (*wsconnv1.Answer, error) {
	node, ok := NodeOf(r.GetConnectionId())
	if !ok {
		return gone(), nil // it never existed
	}
	if c.local != nil {
		if a, ok := c.local(r); ok {
			return a, nil
		}
	}
	if c.nats == nil {
		return gone(), nil // there is no other node
	}
	if a, err := c.request(ctx, node, r); err == nil {
		return a, nil
	}
	if c.leaseGone(ctx, node) {
		return gone(), nil
	}
	return nil, ErrUnknown
}

func gone() *wsconnv1.Answer { return &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_GONE} }

func (c *Client) request(ctx context.Context, node uint16, r *wsconnv1.Request) (*wsconnv1.Answer, error) {
	data, err := proto.Marshal(r)
	if err != nil {
		return nil, err
	}
	if !c.nats.IsConnected() {
		return nil, nats.ErrDisconnected // a request would wait in the client's buffer and be sent much later
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := c.nats.RequestWithContext(ctx, subjectOf(node)+r.GetConnectionId(), data)
	if err != nil {
		return nil, err
	}
	var a wsconnv1.Answer
	if err := proto.Unmarshal(m.Data, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

func subjectOf(node uint16) string { return PushSubject + keyOf(node) + "." }

func keyOf(node uint16) string { return strconv.Itoa(int(node)) }

// leaseGone reports whether the node is known to be dead: by what was last written of its lease. A direct read, since whoever
// asks for connections that never existed gets here each time.
func (c *Client) leaseGone(ctx context.Context, node uint16) bool {
	if !c.link.settled() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	leases, err := c.bucket(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return true // no node was ever there
	}
	if err != nil {
		return false
	}
	last, err := leases.GetLastMsgForSubject(ctx, "$KV."+NodeBucket+"."+keyOf(node))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return true // it ended so long ago that nothing of it is left
	case err != nil:
		return false
	case last.Header.Get("KV-Operation") != "":
		return true // its node gave it back
	case last.Header.Get(jetstream.MarkerReasonHeader) != "": // its time was over
		return c.link.now().Sub(last.Time) > comesBackWithin
	}
	return false
}

// bucket is the stream of the bucket of leases.
func (c *Client) bucket(ctx context.Context) (jetstream.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leases != nil {
		return c.leases, nil
	}
	js, err := jetstream.New(c.nats)
	if err != nil {
		return nil, err
	}
	leases, err := js.Stream(ctx, "KV_"+NodeBucket)
	if err == nil {
		c.leases = leases
	}
	return leases, err
}
