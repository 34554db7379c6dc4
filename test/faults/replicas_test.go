package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// secondOf is where the second replica of what listens on an address of 127.0.0.1 does: the same port of 127.0.0.2.
func secondOf(address string) string { return net.JoinHostPort("127.0.0.2", portOf(address)) }

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// nameServer answers every question for an IPv4 address with 127.0.0.1 and 127.0.0.2, and returns where it is asked.
func nameServer(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if answer := nameAnswer(buf[:n]); err == nil && answer != nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c.LocalAddr().String()
}

// nameAnswer is the answer to a question (RFC 1035 4); nil when it is none.
func nameAnswer(question []byte) []byte {
	const header = 12
	end := header
	for end < len(question) && question[end] != 0 {
		end += int(question[end]) + 1
	}
	if end += 5; end > len(question) { // the root's zero, type and class
		return nil
	}
	out := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[header:end]...)
	if binary.BigEndian.Uint16(question[end-4:]) != 1 { // not A
		return out
	}
	out[7] = 2
	for _, last := range []byte{1, 2} {
		out = append(out, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, last)
	}
	return out
}

// used is what GetUsage says of the key: requests of today, and what is left.
func (p *protected) used() (used, left int64) {
	p.t.Helper()
	plans, err := p.api.GetUsagePlans(p.t.Context(), &apigateway.GetUsagePlansInput{})
	if err != nil {
		p.t.Fatal(err)
	}
	day := time.Now().UTC().Format(time.DateOnly)
	u, err := p.api.GetUsage(p.t.Context(), &apigateway.GetUsageInput{UsagePlanId: plans.Items[0].Id, StartDate: &day, EndDate: aws.String(day)})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, days := range u.Items {
		used, left = days[0][0], days[0][1]
	}
	return used, left
}

// TestReplicasTakenAwayUnderAQuota: two edges, two replicas of metering and two cache nodes, each a process. Each replica is
// paused and killed in turn, and an edge is paused, while the edges, nineteen requests of twenty through one of them, serve one
// quota: exactly the quota passes, the ledger has it, and the cached path never fails.
func TestReplicasTakenAwayUnderAQuota(t *testing.T) {
	const quota = 100
	p := newReplicated(t, 2, 2, quota)
	var passed, sent atomic.Int64
	passed.Store(p.bought)
	buy := func(edge int) {
		sent.Add(1)
		status, body := p.ask(edge, "/sold")
		switch status {
		case 200:
			passed.Add(1)
		case 429:
		default:
			t.Errorf("%d %s", status, body)
		}
	}
	// load buys some and reads the cached path, from four clients at once.
	load := func() {
		var all sync.WaitGroup
		for client := range 4 {
			all.Go(func() {
				for range 2 {
					buy(map[bool]int{true: 1}[sent.Load()%20 == 19])
					if status, body := p.ask(client%2, "/kept"); status != 200 {
						t.Errorf("/kept: %d %s", status, body)
					}
				}
			})
		}
		all.Wait()
	}
	load()
	for _, name := range []string{"metering", "metering2", "cache", "cache2"} {
		part := p.parts[name]
		part.signal(syscall.SIGSTOP)
		load()
		part.signal(syscall.SIGCONT)
		part.kill()
		load()
		part.start()
	}
	// An edge that stands still keeps its lease, and serves it when it goes on.
	p.edges[1].signal(syscall.SIGSTOP)
	for range 10 {
		buy(0)
	}
	p.edges[1].signal(syscall.SIGCONT)
	p.until("all of the quota is served", func() bool { load(); return passed.Load() >= quota })
	load()
	if n := passed.Load(); n != quota {
		t.Errorf("%d passed, the quota is %d", n, quota)
	}
	var used, left int64
	p.until("the ledger knows all", func() bool { used, left = p.used(); return used >= quota })
	if used != quota || left != 0 {
		t.Errorf("GetUsage says %d used and %d left", used, left)
	}
	p.until("both edges find what either keeps", func() bool {
		_, one := p.ask(0, "/kept")
		_, other := p.ask(1, "/kept")
		return one == other
	})
	t.Logf("%s", fmt.Sprint(passed.Load(), " of ", quota, " passed, of ", sent.Load(), " requests"))
}
