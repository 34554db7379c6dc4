package functions

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/arn"
)

// maxAnswer bounds what is read of an answer: Lambda's limit on payloads and room for its error objects.
const maxAnswer = 7 << 20

const (
	// idleTimeout is less than a functions host goes on when it is told to end (functions.drain_grace): none of its connections
	// stands idle when it closes them, where an invocation could just have been written.
	idleTimeout = 4 * time.Second
	dialTimeout = 3 * time.Second
)

// Client speaks the Lambda Invoke form over HTTP. Safe for concurrent use; it holds no goroutine but those of idle
// connections, which Close ends.
type Client struct{ http *http.Client }

// NewClient makes a Client with connections of its own; secure is the TLS configuration of those to https addresses, nil
// the standard one.
func NewClient(secure *tls.Config) *Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Client{&http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DialTLSContext: dialTwice(&tls.Dialer{NetDialer: dialer, Config: secure}), TLSClientConfig: secure,
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 64, IdleConnTimeout: idleTimeout, DisableCompression: true,
		},
		// A redirected POST would lose its payload; the form knows no redirects.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// dialTwice tries a second time when a connection does not come about: a host that ends resets those that its kernel has taken
// and it has not, and nothing was asked over them.
func dialTwice(d *tls.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, address)
		if err != nil && ctx.Err() == nil {
			return d.DialContext(ctx, network, address)
		}
		return c, err
	}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post invokes by the full address of a target. Errors are *Error.
func (c *Client) Post(ctx context.Context, address string, payload []byte, o Options) (Result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(payload))
	if err != nil {
		return Result{}, &Error{Kind: Unreachable, Cause: err}
	}
	req.Header.Set("Content-Type", "application/json")
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	set("X-Amz-Invocation-Type", string(o.Type))
	set("X-Amz-Client-Context", o.ClientContext)
	set("X-Amzn-Trace-Id", o.TraceID)
	if o.LogTail {
		set("X-Amz-Log-Type", "Tail")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Result{}, failed(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return Result{}, failed(ctx, err)
	}
	if len(body) > maxAnswer {
		return Result{}, &Error{Kind: Unreachable, Status: resp.StatusCode, Cause: fmt.Errorf("the answer is larger than %d bytes", maxAnswer)}
	}
	return read(resp, body)
}

func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return Overdue(ctx)
	}
	// The address may hold a secret; what url.Error wraps says enough.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &Error{Kind: Unreachable, Cause: err}
}

func read(resp *http.Response, body []byte) (Result, error) {
	id := resp.Header.Get("X-Amzn-Requestid")
	if resp.StatusCode/100 != 2 {
		return Result{}, refusal(resp, body, id)
	}
	r := Result{
		Status: resp.StatusCode, Payload: body, RequestID: id,
		FunctionError: resp.Header.Get("X-Amz-Function-Error"), ExecutedVersion: resp.Header.Get("X-Amz-Executed-Version"),
	}
	if text := resp.Header.Get("X-Amz-Log-Result"); text != "" {
		log, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Result{}, &Error{Kind: Unreachable, Status: r.Status, RequestID: id, Cause: fmt.Errorf("X-Amz-Log-Result: %w", err)}
		}
		r.Log = log
	}
	return r, nil
}

// refusal reads an AWS error: its name from the header, its text from the body.
func refusal(resp *http.Response, body []byte, id string) *Error {
	e := &Error{Status: resp.StatusCode, RequestID: id}
	e.Type, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	// encoding/json matches names without case, and AWS writes both message and Message.
	var text struct{ Message string }
	if json.Unmarshal(body, &text) == nil {
		e.Message = text.Message
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		e.Kind = Missing
	case resp.StatusCode == http.StatusTooManyRequests:
		e.Kind = Throttled
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		e.Kind = Denied
	case resp.StatusCode >= 500, resp.StatusCode < 400:
		e.Kind = Unreachable
	}
	return e
}

// Config says where functions are.
type Config struct {
	Host     Host              // in this process, or nil
	Endpoint string            // of a function host, when Host is nil: https://functions:9001
	TLS      *tls.Config       // of connections to https targets; nil is the standard one
	Targets  map[string]string // function ARN, qualified or not, to the URL of a target of its own; asked first
}

// Invoker invokes by ARN. Safe for concurrent use.
type Invoker struct {
	config Config
	client *Client
}

// New checks a configuration. No connection is made.
func New(c Config) (*Invoker, error) {
	if c.Endpoint != "" {
		if err := checkURL(c.Endpoint); err != nil {
			return nil, fmt.Errorf("function host: %w", err)
		}
	}
	for name, address := range c.Targets {
		if _, err := arn.ParseFunction(name); err != nil {
			return nil, fmt.Errorf("function target %q: %w", name, err)
		}
		if err := checkURL(address); err != nil {
			return nil, fmt.Errorf("function target %s: %w", name, err)
		}
	}
	return &Invoker{config: c, client: NewClient(c.TLS)}, nil
}

func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not an HTTP URL", address)
	}
	return nil
}

// Close ends idle connections.
func (i *Invoker) Close() { i.client.Close() }

// Invoke calls the function of that ARN with a JSON payload. Errors are *Error.
func (i *Invoker) Invoke(ctx context.Context, functionARN string, payload []byte, o Options) (Result, error) {
	f, err := arn.ParseFunction(functionARN)
	if err != nil {
		return Result{}, &Error{Kind: Missing, Message: "Invalid function ARN: " + functionARN, Cause: err}
	}
	ctx, span := openSpan(ctx, f, &o)
	result, err := i.invoke(ctx, f, payload, o)
	closeSpan(span, result, err)
	return result, err
}

func (i *Invoker) invoke(ctx context.Context, f arn.Function, payload []byte, o Options) (Result, error) {
	if address, ok := i.target(f); ok {
		return i.client.Post(ctx, address, payload, o)
	}
	if i.config.Host != nil {
		return i.config.Host.Invoke(ctx, f, payload, o)
	}
	if i.config.Endpoint == "" {
		return Result{}, &Error{Kind: Unreachable, Cause: errors.New("no function host is configured")}
	}
	return i.client.Post(ctx, Address(i.config.Endpoint, f), payload, o)
}

func (i *Invoker) target(f arn.Function) (string, bool) {
	if len(i.config.Targets) == 0 {
		return "", false
	}
	if address, ok := i.config.Targets[f.String()]; ok {
		return address, true
	}
	f.Qualifier = ""
	address, ok := i.config.Targets[f.String()]
	return address, ok
}

// Address is where a function host takes invocations of a function.
func Address(endpoint string, f arn.Function) string {
	qualifier := f.Qualifier
	f.Qualifier = ""
	address := strings.TrimSuffix(endpoint, "/") + "/2015-03-31/functions/" + url.PathEscape(f.String()) + "/invocations"
	if qualifier != "" {
		address += "?Qualifier=" + url.QueryEscape(qualifier)
	}
	return address
}
