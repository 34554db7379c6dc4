package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/gorilla/websocket"
)

const (
	socketClients = 20
	sayEvery      = time.Second
	pushEvery     = 100 * time.Millisecond
)

// socketURL is where clients of the WebSocket API connect.
func (s *site) socketURL() string {
	return strings.Replace(s.target.Data, "http", "ws", 1) + "/_aws/execute-api/" + s.socketAPI + "/prod"
}

// sockets are WebSocket clients that talk all the time and connect again when they are closed, and a backend that pushes
// to them.
type sockets struct {
	site  *site
	anew  *atomic.Int64
	says  *tally // messages and their replies; a close counts as a failure, by its code
	push  *tally
	ended sync.WaitGroup

	mu    sync.Mutex // guards what follows
	live  map[string]bool
	wrong []string // pushes to live connections that were answered 410
}

// startSockets starts the clients; whenever anew counts on they connect again.
func startSockets(ctx context.Context, s *site, anew *atomic.Int64) *sockets {
	k := &sockets{site: s, anew: anew, says: newTally(), push: newTally(), live: map[string]bool{}}
	for n := range socketClients {
		k.ended.Go(func() {
			pause(ctx, time.Duration(n)*sayEvery/socketClients)
			for ctx.Err() == nil {
				if outcome := k.session(ctx); outcome != "" && ctx.Err() == nil {
					k.says.saw(outcome)
				}
				pause(ctx, 200*time.Millisecond)
			}
		})
	}
	k.ended.Go(func() { k.pushes(ctx) })
	return k
}

// session is one connection: what ended it; empty when its client did.
func (k *sockets) session(ctx context.Context) string {
	dialer := websocket.Dialer{HandshakeTimeout: clientTimeout}
	c, res, err := dialer.DialContext(ctx, k.site.socketURL(), nil)
	if err != nil {
		if res != nil {
			return fmt.Sprintf("connect %d", res.StatusCode)
		}
		return "connect " + transportError(err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	id, round := "", k.anew.Load()
	defer func() { k.set(id, false) }()
	for n := 0; ; n++ {
		_ = c.SetReadDeadline(time.Now().Add(clientTimeout))
		if err := c.WriteMessage(websocket.TextMessage, []byte(`{"action":"echo"}`)); err != nil {
			return closing(err)
		}
		got, refused, err := reply(c)
		if err != nil {
			return closing(err)
		}
		if refused != "" {
			k.says.saw(refused)
		} else {
			id = got
			k.set(id, true)
			k.says.saw("")
		}
		if !pause(ctx, sayEvery) || k.anew.Load() != round {
			return ""
		}
	}
}

// reply reads until a reply comes, past pushes, and returns the connection id that the function saw, or the gateway's error.
func reply(c *websocket.Conn) (id, refused string, err error) {
	for {
		_, text, err := c.ReadMessage()
		if err != nil {
			return "", "", err
		}
		var e struct {
			Message        string
			RequestContext struct{ ConnectionID string }
		}
		if string(text) == "push" {
			continue
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return "", "", err
		}
		return e.RequestContext.ConnectionID, e.Message, nil
	}
}

func closing(err error) string {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return fmt.Sprintf("close %d", closed.Code)
	}
	return transportError(err)
}

func (k *sockets) set(id string, live bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if live {
		k.live[id] = true
	} else {
		delete(k.live, id)
	}
}

func (k *sockets) alive(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.live[id]
}

// pick is any live connection.
func (k *sockets) pick() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.live {
		return id
	}
	return ""
}

// pushes posts to live connections. 410 for one that goes on talking is wrong: its application would forget it.
func (k *sockets) pushes(ctx context.Context) {
	client := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		BaseEndpoint: aws.String(k.site.target.Control + "/prod"), Region: k.site.target.Region, Retryer: aws.NopRetryer{},
		HTTPClient:  awshttp.NewBuildableClient().WithTimeout(clientTimeout),
		Credentials: credentials.NewStaticCredentialsProvider(k.site.target.Key.AccessKeyID, k.site.target.Key.SecretAccessKey, ""),
	})
	for pause(ctx, pushEvery) {
		id := k.pick()
		if id == "" {
			continue
		}
		_, err := client.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte("push")})
		if ctx.Err() != nil {
			return
		}
		k.push.saw(pushed(err))
		var res *awshttp.ResponseError
		if errors.As(err, &res) && res.HTTPStatusCode() == 410 {
			k.ended.Go(func() { k.judge(ctx, id) })
		}
	}
}

func pushed(err error) string {
	var res *awshttp.ResponseError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &res) && res.HTTPStatusCode() > 0:
		return fmt.Sprint(res.HTTPStatusCode())
	}
	return transportError(err)
}

// judge waits until the client of a connection must have noticed that it is closed.
func (k *sockets) judge(ctx context.Context, id string) {
	if !pause(ctx, clientTimeout+2*sayEvery) || !k.alive(id) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrong = append(k.wrong, id)
}

// wronged are the live connections that were answered 410.
func (k *sockets) wronged() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wrong
}
