package roles

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/limen-gateway/limen/platform/connections"
)

// TestWsconnMayReadJournals as they are read: a node that may not tells no end of a dead one's connections.
func TestWsconnMayReadJournals(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: "wsconn", Password: "x", Permissions: newNATSUsers()["wsconn"]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo("wsconn", "x"), nats.CustomInboxPrefix(anInbox+"wsconn"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: connections.JournalStream, Subjects: []string{connections.JournalSubject + ">"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), connections.JournalSubject+"a", []byte("entry")); err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{connections.JournalSubject + "a"}, MaxResetAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	if m, err := messages.Next(jetstream.NextMaxWait(membersPatience)); err != nil || string(m.Data()) != "entry" {
		t.Error(m, err)
	}
}
