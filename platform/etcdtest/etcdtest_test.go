package etcdtest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFaults(t *testing.T) {
	began := time.Now()
	s := Start(t)
	t.Logf("ready after %v", time.Since(began))
	put := func(key string) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Client.Put(ctx, key, "value")
		return err
	}
	if err := put("one"); err != nil {
		t.Fatal(err)
	}

	s.Proxy.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Client.Get(ctx, "one"); err == nil {
		t.Fatal("a paused server answers")
	}
	local := s.Local(t)
	if _, err := local.Get(t.Context(), "one"); err != nil {
		t.Fatalf("the local client suffers from the network: %v", err)
	}
	s.Proxy.Resume()
	if err := put("two"); err != nil {
		t.Fatal(err)
	}

	s.Kill()
	s.Restart(t)
	if err := put("three"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"one", "two", "three"} {
		got, err := s.Client.Get(t.Context(), key)
		if err != nil || got.Count != 1 {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
}
