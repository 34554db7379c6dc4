package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFaults(t *testing.T) {
	began := time.Now()
	s := Start(t)
	t.Logf("ready after %v", time.Since(began))
	js, err := s.Conn.JetStream(nats.MaxWait(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "s", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish("s.one", []byte("1")); err != nil {
		t.Fatal(err)
	}

	s.Proxy.Pause()
	if err := s.Conn.FlushTimeout(50 * time.Millisecond); err == nil {
		t.Fatal("a paused server answers")
	}
	if err := s.Local(t).FlushTimeout(time.Minute); err != nil {
		t.Fatalf("the local client suffers from the network: %v", err)
	}
	s.Proxy.Resume()
	if err := s.Conn.FlushTimeout(time.Minute); err != nil {
		t.Fatal(err)
	}

	back := make(chan struct{}, 16)
	s.Conn.SetReconnectHandler(func(*nats.Conn) { back <- struct{}{} })
	s.Kill()
	s.Restart(t)
	<-back
	info, err := js.StreamInfo("s")
	if err != nil || info.State.Msgs != 1 {
		t.Errorf("%v, %v", info, err)
	}
}
