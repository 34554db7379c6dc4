package connections

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	// JournalStream keeps the journals of all nodes.
	JournalStream = "limen_wsconn_journal"
	// JournalSubject begins the subject of a journal. It is followed by an instance, not by a number: a number passes on.
	JournalSubject = "ws.journal."
	// journalAge is longer than any connection lives.
	journalAge = 3 * time.Hour
)

// errTaken says that another node has written into a journal, and owns it now.
var errTaken = errors.New("connections: another node has taken the journal over")

var errAgain = errors.New("connections: the journal was not where it was believed to be")

// store is the stream of all journals. It is made at first use.
type store struct {
	js       jetstream.JetStream
	replicas int

	mu   sync.Mutex // guards made
	made jetstream.Stream
}

func (s *store) stream(ctx context.Context) (jetstream.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made != nil {
		return s.made, nil
	}
	made, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: JournalStream, Description: "WebSocket connections opened and closed, by node", Subjects: []string{JournalSubject + ">"},
		MaxAge: journalAge, Storage: jetstream.FileStorage, Replicas: s.replicas,
	})
	if err == nil {
		s.made = made
	}
	return made, err
}

// instances lists whose journals there are.
func (s *store) instances(ctx context.Context) ([]string, error) {
	stream, err := s.stream(ctx)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(JournalSubject+">"))
	if err != nil {
		return nil, err
	}
	var out []string
	for subject := range info.State.Subjects {
		out = append(out, strings.TrimPrefix(subject, JournalSubject))
	}
	return out, nil
}

// last is the newest message of a journal; its sequence is 0 when there is none.
func (s *store) last(ctx context.Context, subject string) (*wsconnv1.Journal, uint64, error) {
	stream, err := s.stream(ctx)
	if err != nil {
		return nil, 0, err
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return &wsconnv1.Journal{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var j wsconnv1.Journal
	return &j, m.Sequence, proto.Unmarshal(m.Data, &j)
}

// open reads a journal up to a sequence and returns the connections whose end was not told. The messages come by themselves: a
// journal may have hundreds of thousands, and a question for each would make the first end wait for minutes.
func (s *store) open(ctx context.Context, subject string, last uint64) (map[string]*wsconnv1.Handoff, error) {
	stream, err := s.stream(ctx)
	if err != nil {
		return nil, err
	}
	// Who asks tries again itself.
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, MaxResetAttempts: 1})
	if err != nil {
		return nil, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	out := map[string]*wsconnv1.Handoff{}
	for read := uint64(0); read < last; {
		j, sequence, err := next(ctx, messages)
		if err != nil {
			return nil, err
		}
		for _, e := range j.GetEntries() {
			if h := e.GetOpened(); h != nil {
				out[h.GetConnectionId()] = h
			} else {
				delete(out, e.GetClosed())
			}
		}
		read = sequence
	}
	return out, nil
}

// next waits for a message; what another node has removed meanwhile never comes.
func next(ctx context.Context, messages jetstream.MessagesContext) (*wsconnv1.Journal, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, 0, err
	}
	about, err := m.Metadata()
	if err != nil {
		return nil, 0, err
	}
	var j wsconnv1.Journal
	return &j, about.Sequence.Stream, proto.Unmarshal(m.Data(), &j)
}

// remove deletes the messages of a journal but the newest keep.
func (s *store) remove(ctx context.Context, subject string, keep uint64) error {
	stream, err := s.stream(ctx)
	if err != nil {
		return err
	}
	options := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(subject)}
	if keep > 0 {
		options = append(options, jetstream.WithPurgeKeep(keep))
	}
	return stream.Purge(ctx, options...)
}

// pen appends to one journal for as long as nobody else does: each message names the one before, so that of two nodes that
// believe to own a journal one is refused.
type pen struct {
	store   *store
	subject string
	writer  string

	// What the dead node wrote last, for the pen of an heir.
	lastSequence uint64
	lastEntries  uint32

	mu      sync.Mutex // guards what follows
	seen    uint64     // sequence of the newest message that is known; 0 is none
	arrived int        // how many entries an heir has read of which this node does not know that they were written
}

// append adds a message. errTaken is final; after any other error the same may be tried again, and entries that arrive
// twice do no harm.
func (p *pen) append(ctx context.Context, j *wsconnv1.Journal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if _, err := p.store.stream(ctx); err != nil {
		return err
	}
	j.Writer, j.LastSequence, j.LastEntries = p.writer, p.lastSequence, p.lastEntries
	data, err := proto.Marshal(j)
	if err != nil {
		return err
	}
	ack, err := p.store.js.Publish(ctx, p.subject, data, jetstream.WithExpectLastSequencePerSubject(p.seen))
	if err == nil {
		p.seen = ack.Sequence
		return nil
	}
	if !isConflict(err) {
		return err
	}
	return p.look(ctx)
}

// look finds out who wrote last: another node, or this one in a message whose acknowledgement was lost. What is old leaves
// the stream.
func (p *pen) look(ctx context.Context) error {
	newest, sequence, err := p.store.last(ctx, p.subject)
	if err != nil {
		return err
	}
	if sequence > 0 && newest.GetWriter() != p.writer {
		if newest.GetLastSequence() > p.seen {
			p.arrived = int(newest.GetLastEntries())
		}
		return errTaken
	}
	p.seen = sequence
	return errAgain
}

// heard is how many of the entries that wait an heir has read all the same.
func (p *pen) heard() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.arrived
}

func (p *pen) written() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen > 0
}

// confirm makes sure that the journal is still this node's, after a time in which others could not see it alive.
func (p *pen) confirm(ctx context.Context) error {
	if !p.written() {
		return nil // there is nothing to take over
	}
	err := p.append(ctx, &wsconnv1.Journal{})
	if errors.Is(err, errAgain) {
		err = p.append(ctx, &wsconnv1.Journal{})
	}
	return err
}
