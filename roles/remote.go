package roles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
)

// The roles of a cluster find etcd and NATS in other processes. A client service stands in the list where the embedded
// server would, lends the house the same thing and is ready at once: clients connect, and connect again, by themselves.

const (
	// A dead etcd member is left, and a dead connection noticed, within seconds.
	remoteKeepAlive = 2 * time.Second
	remotePing      = 2 * time.Second // foundations.md 8.4
	reconnectWait   = 500 * time.Millisecond
	// signInTimeout bounds the first call to an etcd that has users: without it a process would hang without a word.
	signInTimeout = 5 * time.Second
)

// ClientTLS names what a client of a store elsewhere speaks TLS with. The zero value trusts the authorities of the
// machine and shows no certificate.
type ClientTLS struct {
	CAFile   string `yaml:"ca_file" help:"PEM file of the authorities that may vouch for the servers elsewhere; those of the machine when empty"`
	CertFile string `yaml:"cert_file" help:"PEM file of the certificate that this process shows them"`
	KeyFile  string `yaml:"key_file" help:"PEM file of the certificate's key"`
}

func (c ClientTLS) check() []error {
	if (c.CertFile != "") != (c.KeyFile != "") {
		return []error{settings.Refuse("cert_file", "must be given together with key_file")}
	}
	return nil
}

// config is for settings that name a file. The certificate is read again for each connection, so that a new one needs no
// restart.
func (c ClientTLS) config() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		if out.RootCAs = x509.NewCertPool(); !out.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", c.CAFile)
		}
	}
	if c.CertFile == "" {
		return out, nil
	}
	read := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		return &pair, nil
	}
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() }
	_, err := read()
	return out, err
}

// storeTLS is what this process speaks with a store elsewhere: what its settings name, else the cluster's own TLS, where
// the other side must be a member of that role.
func (h *house) storeTLS(files ClientTLS, store string) (*tls.Config, error) {
	if files == (ClientTLS{}) {
		return h.clientTLS(store), nil
	}
	return files.config()
}

// secret reads a file that holds one.
func secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if s := strings.TrimSpace(string(text)); s != "" {
		return s, nil
	}
	return "", fmt.Errorf("%s is empty", path)
}

// clients lists the client services for what the chosen roles need and none of them is.
func (h *house) clients(chosen []role) []run.Named {
	needed := func(name string) bool {
		is := func(r role) bool { return r.name == name }
		needs := func(r role) bool { return slices.Contains(r.needs, name) }
		return !slices.ContainsFunc(chosen, is) && slices.ContainsFunc(chosen, needs)
	}
	var out []run.Named
	if needed("etcd") {
		out = append(out, h.named("etcd client", func(h *house) (run.Service, error) { return newEtcdClient(h) }))
	}
	// Whoever answers @connections reaches the owners of connections over NATS, where there is one.
	asks := func(r role) bool { return r.name == "edge" || r.name == "admin" }
	plays := func(r role) bool { return r.name == "nats" }
	if needed("nats") || h.config.NATS.URL != "" && slices.ContainsFunc(chosen, asks) && !slices.ContainsFunc(chosen, plays) {
		out = append(out, h.named("nats client", func(h *house) (run.Service, error) { return newNATSClient(h) }))
	}
	return out
}

// client is a connection that was made and waits for its end.
type client struct{ close func() }

func (c client) Run(ctx context.Context) error {
	<-ctx.Done()
	c.close()
	return nil
}

func newEtcdClient(h *house) (run.Service, error) {
	c := h.config.Etcd
	if len(c.Endpoints) == 0 {
		return nil, fmt.Errorf("etcd.endpoints (LIMEN_ETCD_ENDPOINTS) must name etcd, since this process does not run it")
	}
	config := clientv3.Config{
		Endpoints: c.Endpoints, Logger: zapTo(h.telemetry.Log, new(atomic.Bool)),
		DialKeepAliveTime: remoteKeepAlive, DialKeepAliveTimeout: remoteKeepAlive, PermitWithoutStream: true,
	}
	var err error
	if config.TLS, err = h.storeTLS(c.ClientTLS, "etcd"); err != nil {
		return nil, fmt.Errorf("etcd.%w", err)
	}
	if c.Username != "" {
		config.Username, config.DialTimeout = c.Username, signInTimeout
		if config.Password, err = secret(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("etcd.password_file: %w", err)
		}
	}
	etcd, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("etcd.endpoints (LIMEN_ETCD_ENDPOINTS): no client of %s: %w", strings.Join(c.Endpoints, ", "), err)
	}
	h.lendEtcd(etcd)
	return client{func() { _ = etcd.Close() }}, nil
}

func newNATSClient(h *house) (run.Service, error) {
	c := h.config.NATS
	if c.URL == "" {
		return nil, fmt.Errorf("nats.url (LIMEN_NATS_URL) must name NATS, since this process does not run it")
	}
	options := []nats.Option{
		nats.Name("limen"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.PingInterval(remotePing), nats.MaxPingsOutstanding(1),
		// A password that is being replaced is no reason to give up.
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			h.telemetry.Log.Warn("NATS refuses something", "error", err)
		}),
	}
	options = append(options, natsReports(h.telemetry.Log)...)
	secured, err := h.storeTLS(c.ClientTLS, "nats")
	if err != nil {
		return nil, fmt.Errorf("nats.%w", err)
	}
	if secured != nil {
		options = append(options, nats.Secure(secured))
	}
	if h.identity != nil {
		options = append(options, nats.CustomInboxPrefix(anInbox+h.identity.Role()))
	}
	signIn, err := c.signIn()
	if err != nil {
		return nil, err
	}
	conn, err := nats.Connect(c.URL, append(options, signIn...)...)
	if err != nil {
		return nil, fmt.Errorf("nats.url (LIMEN_NATS_URL): %w", err)
	}
	h.lendNATS(conn, nil)
	return client{conn.Close}, nil
}

// natsReports log why NATS is not reached, each reason once: a client tries for ever, and a refused password looks like a
// NATS that is away. The handlers are called one after the other.
func natsReports(log *slog.Logger) []nats.Option {
	var last string
	return []nats.Option{
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil && err.Error() != last {
				last = err.Error()
				log.Warn("NATS is not reached; it is tried again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			last = ""
			log.Info("NATS is reached", "server", c.ConnectedServerName())
		}),
	}
}

// signIn are the options of whoever NATS knows this process as. Their files are read again for each connection.
func (c *NATSConfig) signIn() ([]nats.Option, error) {
	switch {
	case c.User != "":
		if _, err := secret(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("nats.password_file: %w", err)
		}
		return []nats.Option{nats.UserInfoHandler(func() (string, string) {
			password, _ := secret(c.PasswordFile) // a file that is gone is a password that is refused
			return c.User, password
		})}, nil
	case c.TokenFile != "":
		if _, err := secret(c.TokenFile); err != nil {
			return nil, fmt.Errorf("nats.token_file: %w", err)
		}
		return []nats.Option{nats.TokenHandler(func() string {
			token, _ := secret(c.TokenFile)
			return token
		})}, nil
	case c.CredentialsFile != "":
		if _, err := secret(c.CredentialsFile); err != nil {
			return nil, fmt.Errorf("nats.credentials_file: %w", err)
		}
		return []nats.Option{nats.UserCredentials(c.CredentialsFile)}, nil
	}
	return nil, nil
}

// lendEtcd gives the roles after this one an etcd client, and the probes a check.
func (h *house) lendEtcd(c *clientv3.Client) {
	h.etcd = c
	h.telemetry.Health.Check("etcd", func(ctx context.Context) error {
		_, err := c.Get(ctx, "/limen/health") // a linearizable read: there is a leader and it answers
		return err
	})
}

// lendNATS gives the roles after this one a NATS connection, and the probes a check, after that of the member when there
// is one.
func (h *house) lendNATS(c *nats.Conn, member func() error) {
	h.nats = c
	h.telemetry.Health.Check("nats", func(ctx context.Context) error {
		if member != nil {
			if err := member(); err != nil {
				return err
			}
		}
		if !c.IsConnected() {
			return errors.Join(nats.ErrDisconnected, c.LastError()) // a refused password among them
		}
		return c.FlushWithContext(ctx)
	})
}
