package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// orderVariable tells a generator what to do.
const orderVariable = "LIMEN_BENCH_ORDER"

// order is what a generator does.
type order struct {
	Request request
	Conns   int
	Rate    int // requests a second; 0 sends the next when the answer to the last has come
	Span    time.Duration
}

// outcome is what a load prints of what it saw.
type outcome struct {
	Requests, PerSecond float64
	P50, P99            time.Duration
	Failed              int // requests or connections that had no answer
	Retried             int // requests that were sent anew, see generator.exchange
}

// printOutcome ends a load that began then.
func printOutcome(begin time.Time, latencies []time.Duration, failed, retried int) error {
	n := len(latencies)
	if n == 0 {
		return errors.New("nothing was answered")
	}
	slices.Sort(latencies)
	return json.NewEncoder(os.Stdout).Encode(outcome{float64(n), float64(n) / time.Since(begin).Seconds(),
		latencies[n/2], latencies[n*99/100], failed, retried})
}

// steadyConns are enough for a fixed rate.
const steadyConns = 16

// runGenerator runs this program's generator, in a process of its own that can be pinned; rate 0 is a closed loop.
func (s *site) runGenerator(ctx context.Context, r request, d time.Duration, rate int) (sample, float64, error) {
	o := order{Request: r, Conns: s.options.conns, Rate: rate, Span: d}
	if rate > 0 {
		o.Conns = min(o.Conns, steadyConns)
	}
	return s.runOrder(ctx, roleLoad, o)
}

// runOrder runs this program in the role of a load, and reads what it saw.
func (s *site) runOrder(ctx context.Context, role string, order any) (sample, float64, error) {
	out := sample{loadGenerator: "the bench itself"}
	self, err := os.Executable()
	if err != nil {
		return out, 0, err
	}
	text, err := json.Marshal(order)
	if err != nil {
		return out, 0, err
	}
	said, used, err := s.pinned(ctx, []string{roleVariable + "=" + role, orderVariable + "=" + string(text)}, self)
	if err != nil {
		return out, 0, err
	}
	var o outcome
	if err := json.Unmarshal([]byte(said), &o); err != nil {
		return out, 0, fmt.Errorf("%w: %s", err, said)
	}
	out.requests, out.perSecond, out.p50, out.p99, out.failed, out.retried = o.Requests, o.PerSecond, o.P50, o.P99, o.Failed, o.Retried
	return out, used, nil
}

// serveLoad is the generator: it carries out its order and prints what it saw.
func serveLoad() error {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &o); err != nil {
		return err
	}
	g := generator{order: o, requests: o.Request.wire(), begin: time.Now().Add(50 * time.Millisecond)}
	g.end = g.begin.Add(o.Span)
	if o.Rate > 0 {
		g.step = time.Duration(o.Conns) * time.Second / time.Duration(o.Rate)
	}
	var wg sync.WaitGroup
	for i := range o.Conns {
		wg.Go(func() { g.connection(i) })
	}
	wg.Wait()
	return printOutcome(g.begin, g.latencies, g.failed, g.retried)
}

// wire is the requests as they are sent, one of each in turn.
func (r request) wire() [][]byte {
	var out [][]byte
	for i := range max(len(r.Paths), len(r.Keys)) {
		text := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.method(), r.path(i), r.host())
		if key := r.key(i); key != "" {
			text = fmt.Appendf(text, "X-Api-Key: %s\r\n", key)
		}
		if r.Body > 0 {
			text = fmt.Appendf(text, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r.Body, bodyOf(r.Body))
		} else {
			text = append(text, "\r\n"...)
		}
		out = append(out, text)
	}
	return out
}

// generator sends its requests over and over.
type generator struct {
	order
	requests   [][]byte
	begin, end time.Time
	step       time.Duration // between two requests of a connection; 0 sends as answers come

	mu              sync.Mutex // guards what follows
	latencies       []time.Duration
	failed, retried int
}

// client is one kept connection of a generator, opened anew when its server closes it.
type client struct {
	request request
	conn    net.Conn
	answers *bufio.Reader
	retried int
}

func (c *client) dial() (err error) {
	if c.request.Secure {
		c.conn, err = tls.Dial("tcp", c.request.Address, &tls.Config{InsecureSkipVerify: true})
	} else {
		c.conn, err = net.Dial("tcp", c.request.Address)
	}
	if err == nil {
		c.answers = bufio.NewReader(c.conn)
	}
	return err
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// exchange sends a request and reads its answer. A server may close a kept connection at any time: what met that before the
// first byte of an answer is sent once more, over a new connection, as every client of HTTP does.
func (c *client) exchange(text []byte) error {
	if c.conn != nil {
		if _, err := c.conn.Write(text); err == nil {
			if _, err = c.answers.Peek(1); err == nil {
				return c.finish()
			}
		}
		c.close()
		c.retried++
	}
	if err := c.dial(); err != nil {
		return err
	}
	if _, err := c.conn.Write(text); err != nil {
		return err
	}
	return c.finish()
}

// finish reads the answer, and obeys a server that wants the connection closed.
func (c *client) finish() error {
	last, err := readAnswer(c.answers)
	if last || err != nil {
		c.close()
	}
	return err
}

func (g *generator) connection(number int) {
	c := client{request: g.Request}
	defer c.close()
	seen, err := g.run(&c, number)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latencies = append(g.latencies, seen...)
	g.retried += c.retried
	if err != nil {
		g.failed++
		fmt.Fprintln(os.Stderr, err)
	}
}

// run sends until the end, though each request once at least, or until something fails.
func (g *generator) run(c *client, number int) (seen []time.Duration, err error) {
	due := g.begin.Add(g.step * time.Duration(number) / time.Duration(g.Conns))
	for i := number; ; i += g.Conns {
		if g.step > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		if due.After(g.end) && i >= len(g.requests) {
			return seen, nil
		}
		if err := c.exchange(g.requests[i%len(g.requests)]); err != nil {
			return seen, err
		}
		seen = append(seen, time.Since(due))
		due = due.Add(g.step)
	}
}

// readAnswer reads an answer of status 200 with a length, and says whether it is the last of its connection.
func readAnswer(r *bufio.Reader) (last bool, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		switch {
		case first:
			if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
				return false, fmt.Errorf("answered %s", bytes.TrimSpace(line))
			}
		case len(name) == 0:
			if length < 0 {
				return false, errors.New("the answer has no length")
			}
			_, err := r.Discard(length)
			return last, err
		case strings.EqualFold(string(name), "content-length"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return false, err
			}
		case strings.EqualFold(string(name), "connection"):
			last = strings.EqualFold(string(bytes.TrimSpace(value)), "close")
		}
	}
}
