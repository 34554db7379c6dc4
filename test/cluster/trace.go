package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/limen-gateway/limen/test/collectorlog"
	"github.com/limen-gateway/limen/test/scenario"
)

const (
	// traceID is the trace that a client is in already, another than that of the scenario, whose edge may have been killed before
	// it told; clientSpan is its span.
	traceID    = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan = "53995c3f42cd8ad8"
)

// crossed are the services that the requests of the trace meet.
var crossed = []string{"limen-edge", "limen-authz", "limen-metering", "limen-cache", "limen-functions", "limen-wsconn"}

// trace sends requests inside one trace that meet every service, and finds it whole in what the collector printed: every
// service has a span, and every span's parent is there or the client's.
func (s *site) trace(ctx context.Context, _ options) error {
	if err := s.send(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recoveryWithin)
	defer cancel()
	for {
		spans, err := s.spans(ctx)
		if err != nil {
			return err
		}
		problem := gaps(spans)
		if problem == "" {
			say("trace: %s is whole: %d spans of %s", traceID, len(spans), strings.Join(crossed, ", "))
			return nil
		}
		if !pause(ctx, askEvery) {
			return fmt.Errorf("trace %s: %s", traceID, problem)
		}
	}
}

// send calls every path and talks over a WebSocket, inside the client's trace.
func (s *site) send(ctx context.Context) error {
	traceparent := http.Header{"Traceparent": {"00-" + traceID + "-" + clientSpan + "-01"}}
	for _, path := range paths {
		req, err := s.request(ctx, path, s.key)
		if err != nil {
			return err
		}
		maps.Copy(req.Header, traceparent)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	api, err := scenario.New(s.target).SocketAPI(ctx)
	if err != nil {
		return err
	}
	if _, err := s.command(ctx, "wait", api, "prod"); err != nil {
		return err
	}
	c, _, err := websocket.DefaultDialer.DialContext(ctx, strings.Replace(s.target.Data, "http", "ws", 1)+"/_aws/execute-api/"+api+"/prod", traceparent)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"action":"echo"}`)); err != nil {
		return err
	}
	_, refused, err := reply(c)
	if refused != "" {
		return fmt.Errorf("the WebSocket API answers %s", refused)
	}
	return err
}

// spans are those of the trace that the collector has printed.
func (s *site) spans(ctx context.Context) ([]collectorlog.Span, error) {
	names, err := s.containers(ctx, "collector")
	if err != nil {
		return nil, err
	}
	logs, err := exec.CommandContext(ctx, "docker", "logs", names[0]).Output()
	if err != nil {
		return nil, fmt.Errorf("log of the collector: %w", err)
	}
	return slices.DeleteFunc(collectorlog.Read(bytes.NewReader(logs)), func(p collectorlog.Span) bool { return p.TraceID != traceID }), nil
}

// gaps says what is missing in a trace; nothing when it is whole.
func gaps(spans []collectorlog.Span) string {
	ids, services := map[string]bool{clientSpan: true}, map[string]bool{}
	for _, p := range spans {
		ids[p.SpanID], services[p.Service] = true, true
	}
	for _, service := range crossed {
		if !services[service] {
			return "no span of " + service
		}
	}
	for _, p := range spans {
		if !ids[p.ParentID] {
			return fmt.Sprintf("the parent %s of %s's span %s (%s) is missing", p.ParentID, p.Service, p.Name, p.SpanID)
		}
	}
	return ""
}
