package rpc

import (
	"context"
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
		b := &pickers{silent: map[string]*silence{}}
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

func TestNoReplica(t *testing.T) {
	b := &pickers{silent: map[string]*silence{}}
	if _, err := b.Build(ready()).Pick(balancer.PickInfo{}); err != balancer.ErrNoSubConnAvailable {
		t.Errorf("error %v", err)
	}
}
