// Package functions is the local function host: it runs ordinary Lambda programs as processes and answers the Lambda
// Invoke form, in process for a gateway beside it and over HTTP for everybody else, the AWS CLI included.
//
// A function is a program that speaks the Lambda Runtime API, unmodified, or an HTTP target that takes the Invoke form.
// Each process serves one invocation at a time in a clean environment; a function grows to its reserved concurrency, and
// beyond that callers get 429. The host keeps nothing: functions are declared by its Config and by Declare.
//
// The surprise: it isolates nothing. A function runs with the rights of this program's user and sees its files; in a
// cluster the host is a container of its own for that reason. Its HTTP face does not authenticate either.
package functions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/services/functions/internal/face"
	"github.com/limen-gateway/limen/services/functions/internal/host"
	"github.com/limen-gateway/limen/services/functions/internal/pool"
)

// Function declares a function, Code what runs for one version of it.
type (
	Function = pool.Function
	Code     = pool.Code
)

// Config says what is hosted. Every zero value is usable.
type Config struct {
	Region      string        `yaml:"region" default:"us-east-1" help:"region of functions named without one, and told to their processes"`
	Account     string        `yaml:"account" help:"account of functions that name none; they are in every account when empty"`
	Dir         string        `yaml:"dir" default:"." help:"folder where the commands of functions are looked for"`
	Declare     []Function    `yaml:"declare" secret:"true" help:"the functions: name, one of command, sample and url, args, env, timeout, reserved_concurrency, versions, aliases"`
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"5m" help:"after which an unused process ends"`
	InitTimeout time.Duration `yaml:"init_timeout" default:"10s" help:"from the start of a process to its first request for work"`
}

// Check tells which setting breaks which rule.
func (c *Config) Check() error {
	var problems []error
	if c.IdleTimeout < 0 {
		problems = append(problems, settings.Refuse("idle_timeout", "must not be negative"))
	}
	if c.InitTimeout < 0 {
		problems = append(problems, settings.Refuse("init_timeout", "must not be negative"))
	}
	for i, f := range c.Declare {
		if err := f.Check(); err != nil {
			problems = append(problems, settings.Refuse(fmt.Sprintf("declare.%d", i), "%v", err))
		}
	}
	return errors.Join(problems...)
}

// Deps is what the host leans on. Every zero value is usable.
type Deps struct {
	Log    *slog.Logger
	Meters metric.MeterProvider
	Traces trace.TracerProvider // of invocations that are traced; nil records none
	NewID  func() string        // request ids; random UUIDs
}

// Service is the function host.
type Service struct {
	host *host.Host
	home arn.Function
}

// New checks a configuration. It starts nothing.
func New(c Config, d Deps) (*Service, error) {
	settings.Defaults(&c)
	if err := c.Check(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("functions: %w", err)
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.NewID == nil {
		d.NewID = newID
	}
	s := &Service{home: arn.Function{Region: c.Region, Account: c.Account}}
	if s.home.Account == "" {
		s.home.Account = "000000000000" // only so that ARNs made of short names are whole
	}
	m, err := newMetrics(d.Meters, func(count func(string, int)) { s.host.Processes(count) })
	if err != nil {
		return nil, fmt.Errorf("functions: metrics: %w", err)
	}
	s.host = host.New(host.Config{
		Region: c.Region, Account: c.Account, Dir: dir, IdleTimeout: c.IdleTimeout, InitTimeout: c.InitTimeout,
		Log: d.Log, Traces: d.Traces, NewID: d.NewID, Observe: m.observe,
	})
	for _, f := range c.Declare {
		if err := s.host.Declare(f); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run takes invocations until the context ends, once; when it returns no process is left.
func (s *Service) Run(ctx context.Context) error { return s.host.Run(ctx) }

// Ready is closed when invocations are taken.
func (s *Service) Ready() <-chan struct{} { return s.host.Ready() }

// Declare adds a function, or replaces the one of that name. Invocations under way end as they began.
func (s *Service) Declare(f Function) error { return s.host.Declare(f) }

// Invoke implements functions.Host of platform/functions.
func (s *Service) Invoke(ctx context.Context, f arn.Function, payload []byte, o functions.Options) (functions.Result, error) {
	return s.host.Invoke(ctx, f, payload, o)
}

// Forget takes a function away. Invocations under way end as they began.
func (s *Service) Forget(region, account, name string) { s.host.Forget(region, account, name) }

// Handler is the HTTP face: POST /2015-03-31/functions/{name}/invocations.
func (s *Service) Handler() http.Handler { return face.Handler(s.host, s.home) }

// HandlerOf is Handler where short names belong to a caller's region and account.
func (s *Service) HandlerOf(region, account string) http.Handler {
	return Face(s.host, region, account)
}

// Face is the HTTP face of any host, one in another process among them.
func Face(host functions.Host, region, account string) http.Handler {
	return face.Handler(host, arn.Function{Region: region, Account: account})
}

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
