package roles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
)

// NATSConfig are the settings of the embedded NATS. The zero value keeps its streams in the data folder, and only this
// process can reach it.
type NATSConfig struct {
	Listen   string `yaml:"listen" help:"address where other processes reach NATS, such as 0.0.0.0:4222; none when empty"`
	URL      string `yaml:"url" help:"URL of a NATS elsewhere, such as nats://nats:4222, for processes that do not run the role nats"`
	MaxBytes int64  `yaml:"max_bytes" default:"10737418240" help:"how much disk the streams may take"`
}

// Check tells which setting breaks which rule.
func (c *NATSConfig) Check() error {
	var problems []error
	if _, _, err := c.address(); err != nil {
		problems = append(problems, settings.Refuse("listen", "must be host:port, not %q", c.Listen))
	}
	if c.MaxBytes < 0 {
		problems = append(problems, settings.Refuse("max_bytes", "must not be negative"))
	}
	return errors.Join(problems...)
}

func (c *NATSConfig) address() (host string, port int, err error) {
	if c.Listen == "" {
		return "", 0, nil
	}
	host, text, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// natsStartTimeout is generous: JetStream reads its streams before it is ready.
const natsStartTimeout = time.Minute

// natsServer is the role nats: one durable server.
type natsServer struct {
	house *house
	ready chan struct{}
}

func newNATS(h *house) (run.Service, error) {
	return &natsServer{h, make(chan struct{})}, nil
}

func (n *natsServer) Ready() <-chan struct{} { return n.ready }

func (n *natsServer) start() (*server.Server, error) {
	config := n.house.config.NATS
	host, port, err := config.address()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "limen",
		Host:       host, Port: port,
		DontListen: config.Listen == "",
		JetStream:  true, StoreDir: n.house.dir("nats"), JetStreamMaxStore: config.MaxBytes,
		// JetStream acknowledges before it syncs, unless told: a power cut would lose what was granted.
		SyncAlways: true,
		NoSigs:     true,
	})
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(natsLog{n.house.telemetry.Log}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(natsStartTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("is not ready after %s", natsStartTimeout)
	}
	return s, nil
}

// Run runs the server and lends the house a connection that needs no socket.
func (n *natsServer) Run(ctx context.Context) error {
	s, err := n.start()
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	defer s.WaitForShutdown()
	defer s.Shutdown()
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.Name("limen"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	defer conn.Close()
	n.house.lendNATS(conn)
	close(n.ready)
	<-ctx.Done()
	return nil
}
