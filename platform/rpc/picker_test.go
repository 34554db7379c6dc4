package rpc

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"
)

type conn struct {
	balancer.SubConn
	addr string
}

// ready says which replicas are connected.
func ready(addrs ...string) base.PickerBuildInfo {
	info := base.PickerBuildInfo{ReadySCs: map[balancer.SubConn]base.SubConnInfo{}}
	for _, a := range addrs {
		info.ReadySCs[&conn{addr: a}] = base.SubConnInfo{Address: resolver.Address{Addr: a}}
	}
	return info
}

// calls makes n calls and counts how many went to each replica; silent ones do not answer.
func calls(t *testing.T, p balancer.Picker, n int, silent ...string) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range n {
		r, err := p.Pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil {
			t.Fatal(err)
		}
		addr := r.SubConn.(*conn).addr
		count[addr]++
		done := balancer.DoneInfo{BytesReceived: true}
		for _, s := range silent {
			if s == addr {
				done = balancer.DoneInfo{Err: status.Error(codes.DeadlineExceeded, "late")}
			}
		}
		r.Done(done)
	}
	return count
}

func TestSilentReplicaIsTriedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &pickers{known: map[string]*standing{}}
		p := b.Build(ready("a", "b", "c"))
		if n := calls(t, p, 30); n["a"] != 10 || n["b"] != 10 || n["c"] != 10 {
			t.Errorf("all answer: %v", n)
		}
		if n := calls(t, p, 300, "b"); n["b"] != 1 {
			t.Errorf("the first second: %v", n)
		}
		p = b.Build(ready("a", "b", "c")) // connections come and go: what is known stays
		if n := calls(t, p, 300, "b"); n["b"] != 0 {
			t.Errorf("after a new picker: %v", n)
		}
		time.Sleep(retrial)
		if n := calls(t, p, 300, "b"); n["b"] != 1 {
			t.Errorf("the next second: %v", n)
		}
		time.Sleep(retrial)
		if n := calls(t, p, 300); n["b"] < 90 {
			t.Errorf("it answers again: %v", n)
		}
		if n := calls(t, p, 30, "a", "b", "c"); n["a"]+n["b"]+n["c"] != 30 {
			t.Errorf("all are silent: %v", n)
		}
	})
}

// TestAReplicaThatStandsStill: calls that it does not answer keep others away long before the first deadline.
func TestAReplicaThatStandsStill(t *testing.T) {
	p := (&pickers{known: map[string]*standing{}}).Build(ready("a", "b"))
	held := 0
	for range 100 {
		r, err := p.Pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil {
			t.Fatal(err)
		}
		if r.SubConn.(*conn).addr == "a" {
			held++ // and never done
			continue
		}
		r.Done(balancer.DoneInfo{BytesReceived: true})
	}
	if held != 1 {
		t.Errorf("it got %d calls of 100", held)
	}
}

func TestNoReplica(t *testing.T) {
	b := &pickers{known: map[string]*standing{}}
	if _, err := b.Build(ready()).Pick(balancer.PickInfo{}); err != balancer.ErrNoSubConnAvailable {
		t.Errorf("error %v", err)
	}
}

// owner makes a call for a key and tells which replica it went to; it does not answer when it is silent.
func owner(t *testing.T, p balancer.Picker, key string, silent ...string) string {
	t.Helper()
	r, err := p.Pick(balancer.PickInfo{Ctx: WithKey(context.Background(), "stage", key)})
	if err != nil {
		t.Fatal(err)
	}
	addr := r.SubConn.(*conn).addr
	if slices.Contains(silent, addr) {
		r.Done(balancer.DoneInfo{Err: status.Error(codes.DeadlineExceeded, "late")})
	} else {
		r.Done(balancer.DoneInfo{BytesReceived: true})
	}
	return addr
}

func owners(t *testing.T, p balancer.Picker) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i := range 3000 {
		key := strconv.Itoa(i)
		out[key] = owner(t, p, key)
	}
	return out
}

func TestKeysAreSpread(t *testing.T) {
	all := owners(t, (&pickers{}).Build(ready("10.0.0.1:4", "10.0.0.2:4", "10.0.0.3:4")))
	count := map[string]int{}
	for _, addr := range all {
		count[addr]++
	}
	for addr, n := range count {
		if n < 850 || n > 1150 {
			t.Errorf("%s has %d of 3000 keys", addr, n)
		}
	}
	other := owners(t, (&pickers{}).Build(ready("10.0.0.3:4", "10.0.0.2:4", "10.0.0.1:4")))
	if !maps.Equal(all, other) {
		t.Error("two callers find different replicas")
	}
}

func TestKeysOfAReplicaThatLeaves(t *testing.T) {
	b := &pickers{}
	before := owners(t, b.Build(ready("a:4", "b:4", "c:4")))
	without := owners(t, b.Build(ready("a:4", "c:4")))
	moved := map[string]int{}
	for key, addr := range before {
		switch {
		case addr == "b:4":
			moved[without[key]]++
		case without[key] != addr:
			t.Errorf("key %s moved from %s to %s", key, addr, without[key])
		}
	}
	if moved["a:4"] < 350 || moved["c:4"] < 350 {
		t.Errorf("the keys of b went to %v", moved)
	}
	if !maps.Equal(before, owners(t, b.Build(ready("a:4", "b:4", "c:4")))) {
		t.Error("the keys of b did not come back with it")
	}
}

func TestKeysOfASilentReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &pickers{}
		p := b.Build(ready("a:4", "b:4", "c:4"))
		first := owner(t, p, "k")
		if got := owner(t, p, "k", first); got != first {
			t.Fatalf("from %s to %s without a reason", first, got)
		}
		second := owner(t, p, "k")
		for range 10 {
			if got := owner(t, p, "k"); got == first || got != second {
				t.Errorf("%s after %s, while %s is silent", got, second, first)
			}
		}
		time.Sleep(retrial)
		if got := owner(t, p, "k", first); got != first {
			t.Errorf("%s is not tried after a second", first)
		}
		if got := owner(t, p, "k", second); got != second {
			t.Errorf("%s, want %s", got, second)
		}
		if third := owner(t, p, "k"); third == first || third == second {
			t.Errorf("%s is silent", third)
		}
		time.Sleep(retrial)
		for range 2 {
			if got := owner(t, p, "k"); got != first {
				t.Errorf("the key went to %s and did not come back to %s", got, first)
			}
		}
	})
}

func TestKeyIsAllOfItsParts(t *testing.T) {
	of := func(parts ...string) uint64 {
		return WithKey(context.Background(), parts...).Value(keyedKey{}).(*keyed).key
	}
	seen := map[uint64]bool{of("ab", "c"): true, of("a", "bc"): true, of("abc"): true, of("abc", ""): true, of("", "abc"): true, of(): true, of(""): true}
	if len(seen) != 7 {
		t.Errorf("%d different keys", len(seen))
	}
}

func TestKeyedContextIsOneAllocation(t *testing.T) {
	p := (&pickers{}).Build(ready("a:4", "b:4", "c:4"))
	var key [32]byte
	if n := testing.AllocsPerRun(100, func() {
		r, err := p.Pick(balancer.PickInfo{Ctx: WithKey(context.Background(), "api", "stage", string(key[:]))})
		if err != nil {
			t.Fatal(err)
		}
		r.Done(balancer.DoneInfo{BytesReceived: true})
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
