package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/gorilla/websocket"
)

// The two roles of the WebSocket load: one keeps connections busy, one only holds them.
const (
	roleSocketLoad = "socketload"
	roleSocketHold = "sockethold"
)

// socketOrder is what a WebSocket load does.
type socketOrder struct {
	URL   string
	Conns int
	Span  time.Duration
	// Push is the URL behind which an id stands; each connection then gets its messages by POST, and sends none.
	Push string
	// AccessKey and Secret sign the POST; without them it is not signed.
	AccessKey, Secret, Region string
}

// echoMessage is what goes to and fro: 140 bytes of JSON.
func echoMessage() string {
	const head = `{"action":"echo","text":"`
	return head + strings.Repeat("x", 140-len(head)-2) + `"}`
}

// headOf is the head of a frame of the message from a server.
func headOf(message string) []byte {
	return []byte{0x81, 126, byte(len(message) >> 8), byte(len(message))}
}

// serveSocketLoad carries out its order and prints its outcome.
func serveSocketLoad() error {
	var o socketOrder
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &o); err != nil {
		return err
	}
	var (
		opened, all sync.WaitGroup
		mu          sync.Mutex // guards latencies and failed
		latencies   []time.Duration
		failed      int
		begin       = make(chan time.Time)
	)
	opened.Add(o.Conns)
	for range o.Conns {
		all.Go(func() {
			once, end, err := o.exchange()
			opened.Done()
			var seen []time.Duration
			if err == nil {
				defer end()
				for stop := (<-begin).Add(o.Span); err == nil; {
					at := time.Now()
					if at.After(stop) {
						break
					}
					if err = once(); err == nil {
						seen = append(seen, time.Since(at))
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, seen...)
			if err != nil {
				failed++
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	opened.Wait()
	start := time.Now()
	go func() {
		for {
			begin <- start
		}
	}()
	all.Wait()
	return printOutcome(start, latencies, failed, 0)
}

// exchange opens a connection; once sends a message over it, or to it, and waits until it has arrived.
func (o socketOrder) exchange() (once func() error, end func(), err error) {
	ws, res, err := dialer().Dial(o.URL, nil)
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%w: %s", err, res.Status)
		}
		return nil, nil, err
	}
	message := echoMessage()
	arrived := awaitFrame(ws.NetConn(), message)
	if o.Push == "" {
		out := append([]byte{0x81, 0x80 | 126, byte(len(message) >> 8), byte(len(message)), 0, 0, 0, 0}, message...)
		return func() error {
			if _, err := ws.NetConn().Write(out); err != nil {
				return err
			}
			return arrived()
		}, func() { _ = ws.Close() }, nil
	}
	post, closePost, err := o.pusher(ws, message)
	if err != nil {
		_ = ws.Close()
		return nil, nil, err
	}
	return func() error {
		if err := post(); err != nil {
			return err
		}
		return arrived()
	}, func() { closePost(); _ = ws.Close() }, nil
}

// awaitFrame reads one frame of a server, which holds the message.
func awaitFrame(c net.Conn, message string) func() error {
	want := append(headOf(message), message...)
	got := make([]byte, len(want))
	return func() error {
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%q came", got)
		}
		return nil
	}
}

// pusher asks the connection for its id and posts to that, over an HTTP connection of its own. A signature holds for
// minutes: it is made once.
func (o socketOrder) pusher(ws *websocket.Conn, message string) (post func() error, end func(), err error) {
	if err := ws.WriteMessage(websocket.TextMessage, []byte(whoAmI)); err != nil {
		return nil, nil, err
	}
	_, text, err := ws.ReadMessage()
	if err != nil {
		return nil, nil, err
	}
	var who struct{ ID string }
	if err := json.Unmarshal(text, &who); err != nil || who.ID == "" {
		return nil, nil, fmt.Errorf("%q instead of an id", text)
	}
	r, err := http.NewRequest(http.MethodPost, o.Push+strings.ReplaceAll(who.ID, "=", "%3D"), strings.NewReader(message))
	if err != nil {
		return nil, nil, err
	}
	if o.AccessKey != "" {
		sum := sha256.Sum256([]byte(message))
		key := aws.Credentials{AccessKeyID: o.AccessKey, SecretAccessKey: o.Secret}
		if err := v4.NewSigner().SignHTTP(context.Background(), key, r, hex.EncodeToString(sum[:]), "execute-api", o.Region, time.Now()); err != nil {
			return nil, nil, err
		}
	}
	var request bytes.Buffer
	if err := r.Write(&request); err != nil {
		return nil, nil, err
	}
	c, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		return nil, nil, err
	}
	answers := bufio.NewReader(c)
	return func() error {
		if _, err := c.Write(request.Bytes()); err != nil {
			return err
		}
		_, err := readAnswer(answers)
		return err
	}, func() { _ = c.Close() }, nil
}

// serveSocketHold opens its connections, some side by side, prints "held" and keeps them until it is ended.
func serveSocketHold() error {
	var o socketOrder
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &o); err != nil {
		return err
	}
	var all sync.WaitGroup
	failed, held := make(chan error, o.Conns), make([]*websocket.Conn, o.Conns)
	places := make(chan struct{}, 32)
	for i := range held {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			var err error
			if held[i], _, err = dialer().Dial(o.URL, nil); err != nil {
				failed <- err
			}
		})
	}
	all.Wait()
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d connections do not open: %w", len(failed), o.Conns, <-failed)
	}
	fmt.Println("held")
	wait := make(chan os.Signal, 1)
	signal.Notify(wait, os.Interrupt)
	<-wait
	runtime.KeepAlive(held) // what nobody holds is closed
	return nil
}
