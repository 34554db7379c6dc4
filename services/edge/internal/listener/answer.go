package listener

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
)

// serve runs the handler. A panic becomes a 500 and is reported as unhealthy.
func (s *Server) serve(ctx context.Context, x *exchange.Exchange) (healthy bool) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Logger.Error("a request panicked", "request_id", strings.Clone(x.RequestID), "panic", p, "stack", string(debug.Stack()))
			x.Record.Add(executionlog.PhaseReceive, executionlog.Panicked, fmt.Sprint(p))
			plain(x, gatewayresponse.Internal(nil))
		}
	}()
	s.note(x)
	s.cfg.Handler.Serve(ctx, x)
	return true
}

// note begins the record.
func (s *Server) note(x *exchange.Exchange) {
	r := &x.Record
	r.Method, r.Path, r.Start = x.Request.Method, x.Request.Path, x.Request.Received
	r.Add(executionlog.PhaseReceive, executionlog.Received, x.Request.Method, x.Request.Path, x.Request.Protocol, x.SourceIP())
}

// late refuses a request that has begun and does not go on.
func late() *http1.Error {
	return &http1.Error{Status: http.StatusRequestTimeout, Reason: "the request did not arrive in time"}
}

// refusal turns a request that cannot be read into an answer.
func refusal(x *exchange.Exchange, e *http1.Error) {
	r := &x.Record
	r.Method, r.Path, r.Start = x.Request.Method, x.Request.Path, x.Request.Received
	x.SourceIP()
	code, err := executionlog.BadRequest, &gatewayresponse.Error{Type: gatewayresponse.Default4XX, Status: e.Status, Message: http.StatusText(e.Status)}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		code, err = executionlog.TooLarge, gatewayresponse.New(gatewayresponse.RequestTooLarge, nil)
	case http.StatusRequestURITooLong:
		code, err.Message = executionlog.TooLarge, "Request URI too long"
	case http.StatusRequestHeaderFieldsTooLarge:
		code = executionlog.TooLarge
	}
	r.Add(executionlog.PhaseReceive, code, e.Reason)
	plain(x, err)
}

// plain renders an answer that no API can customise.
func plain(x *exchange.Exchange, e *gatewayresponse.Error) {
	out := (*gatewayresponse.Set)(nil).Render(e, "", nil, x.ReplyBuffer())
	x.StoreReply(out.Body)
	x.Response.Headers = x.Response.Headers[:0]
	x.AddResponseHeader("Content-Type", out.ContentType)
	x.AddResponseHeader("x-amzn-ErrorType", out.ErrorType)
	x.Response.Status, x.Response.Body = out.Status, out.Body
}

// inlineBody is the largest body that is copied behind the head to be sent in one write.
const inlineBody = 16 << 10

// respond closes the books, writes the answer and reports whether the connection stays open.
func (c *conn) respond(x *exchange.Exchange, keepAlive bool) bool {
	head := x.Request.WireMethod() == http.MethodHead
	body := x.Response.Body
	if head || !hasBody(x.Response.Status) {
		body = nil
	}
	c.touchWrite()
	c.out = c.s.appendHead(c.out[:0], x, keepAlive, c.now)
	c.s.closed(x, len(body), c.now)
	var err error
	if len(body) <= inlineBody || c.tls != nil {
		c.out = append(c.out, body...)
		_, err = c.net.Write(c.out)
	} else {
		_, err = (&net.Buffers{c.out, body}).WriteTo(c.net)
	}
	if cap(c.out) > 4*inlineBody {
		c.out = nil
	}
	return err == nil && keepAlive
}

// closed fills in what the record tells of the answer and hands it over. This happens before the answer is sent: whoever
// holds an answer can ask for its explanation.
func (s *Server) closed(x *exchange.Exchange, bytes int, now time.Time) {
	x.Record.Status, x.Record.Bytes, x.Record.Latency = x.Response.Status, bytes, now.Sub(x.Request.Received)
	s.cfg.Handler.Closed(x)
}

func hasBody(status int) bool { return status >= 200 && status != 204 && status != 304 }

// appendHead writes status line and headers: those every answer carries first (spec/rest.md 12.1), then the response's
// own in their order.
func (s *Server) appendHead(dst []byte, x *exchange.Exchange, keepAlive bool, now time.Time) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(x.Response.Status), 10)
	dst = append(append(dst, ' '), http.StatusText(x.Response.Status)...)
	dst = append(append(dst, "\r\nDate: "...), s.now(now)...)
	dst = append(dst, "\r\n"...)
	contentType := -1
	for i := range x.Response.Headers {
		if strings.EqualFold(x.Response.Headers[i].Name, "content-type") {
			dst = http1.AppendField(dst, x.Response.Headers[i].Name, x.Response.Headers[i].Value)
			contentType = i
			break
		}
	}
	if hasBody(x.Response.Status) {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(x.Response.Body)), 10)
		dst = append(dst, "\r\n"...)
	}
	if keepAlive {
		dst = append(dst, "Connection: keep-alive\r\nx-amzn-RequestId: "...)
	} else {
		dst = append(dst, "Connection: close\r\nx-amzn-RequestId: "...)
	}
	dst = append(append(dst, x.RequestID...), "\r\nx-amz-apigw-id: "...)
	dst = append(append(dst, x.ExtendedID...), "\r\n"...)
	for i := range x.Response.Headers {
		if i == contentType || ownedByListener(x.Response.Headers[i].Name) {
			continue
		}
		dst = http1.AppendField(dst, x.Response.Headers[i].Name, x.Response.Headers[i].Value)
	}
	return append(dst, "\r\n"...)
}

// ownedByListener: headers that frame the message or are always ours; a response cannot set them.
func ownedByListener(name string) bool {
	switch len(name) {
	case 4:
		return strings.EqualFold(name, "date")
	case 10:
		return strings.EqualFold(name, "connection") || strings.EqualFold(name, "keep-alive")
	case 14:
		return strings.EqualFold(name, "content-length") || strings.EqualFold(name, "x-amz-apigw-id")
	case 16:
		return strings.EqualFold(name, "x-amzn-requestid")
	case 17:
		return strings.EqualFold(name, "transfer-encoding")
	}
	return false
}
