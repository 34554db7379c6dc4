// Package trust is who a process is in the cluster: a certificate of the cluster's own CA that names its role. By it the
// services prove themselves to each other, both ways; there is no other CA and no host name in the proof, since a replica
// is any process that holds the role's certificate.
//
// Identity makes TLS configurations that read the files again when they change, so that a certificate, or the CA, is
// replaced without a restart. Authority makes the certificates (limen ca).
//
// The surprise: a client does not look at the server's name at all, only at its role.
package trust

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
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/limen-gateway/limen/platform/settings"
)

// roleURI begins the URI name in a certificate that says the role of its owner: limen://role/edge.
const roleURI = "limen://role/"

// Config names the files of a process's identity.
type Config struct {
	CAFile   string `yaml:"ca_file" help:"PEM file of the cluster's CA; may hold several while one follows another"`
	CertFile string `yaml:"cert_file" help:"PEM file of this process's certificate, which names its role (limen ca issue)"`
	KeyFile  string `yaml:"key_file" help:"PEM file of the certificate's key"`
	Insecure bool   `yaml:"insecure" help:"speak plaintext with other processes and believe the role they claim; only where every host of the network is trusted"`
}

// Check tells which setting breaks which rule.
func (c *Config) Check() error {
	named := 0
	for _, f := range []string{c.CAFile, c.CertFile, c.KeyFile} {
		if f != "" {
			named++
		}
	}
	switch {
	case named != 0 && named != 3:
		return settings.Refuse("ca_file", "must be given together with cert_file and key_file")
	case named == 3 && c.Insecure:
		return settings.Refuse("insecure", "cannot be set together with certificates")
	}
	return nil
}

// RoleOf reads the role from a certificate; empty when it names none or several.
func RoleOf(c *x509.Certificate) string {
	var role string
	for _, u := range c.URIs {
		name, ok := strings.CutPrefix(u.String(), roleURI)
		if !ok {
			continue
		}
		if role != "" {
			return ""
		}
		role = name
	}
	return role
}

// Identity is the certificate of a process and the CA that it believes. It is safe for concurrent use.
type Identity struct {
	config Config
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	looked  time.Time
	version version
	current *credentials
}

// credentials are what the files held when they were read; never written afterwards.
type credentials struct {
	certificate tls.Certificate
	roots       *x509.CertPool
}

// version tells whether the files have changed.
type version [3]struct {
	modified time.Time
	size     int64
}

// lookEvery is how old the knowledge of the files may be.
const lookEvery = time.Second

// Open reads the files; nil when the config names none.
func Open(c Config, log *slog.Logger) (*Identity, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.CertFile == "" {
		return nil, nil
	}
	i := &Identity{config: c, log: log}
	v, err := i.stat()
	if err != nil {
		return nil, err
	}
	if i.current, err = i.read(); err != nil {
		return nil, err
	}
	i.version, i.looked = v, time.Now()
	return i, nil
}

// Role is the role that the certificate names.
func (i *Identity) Role() string { return RoleOf(i.credentials().certificate.Leaf) }

// Expires is when the certificate ends.
func (i *Identity) Expires() time.Time { return i.credentials().certificate.Leaf.NotAfter }

// Instruments shows when the certificate ends, so that somebody is told in time.
func (i *Identity) Instruments(m metric.Meter) error {
	_, err := m.Int64ObservableGauge("limen_certificate_not_after_seconds", metric.WithDescription("When the certificate of this process ends, in seconds since 1970"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(i.Expires().Unix())
			return nil
		}))
	return err
}

func (i *Identity) stat() (v version, err error) {
	for n, path := range []string{i.config.CAFile, i.config.CertFile, i.config.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return v, err
		}
		v[n].modified, v[n].size = info.ModTime(), info.Size()
	}
	return v, nil
}

func (i *Identity) read() (*credentials, error) {
	certificate, err := tls.LoadX509KeyPair(i.config.CertFile, i.config.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("cert_file %s: %w", i.config.CertFile, err)
	}
	if RoleOf(certificate.Leaf) == "" {
		return nil, fmt.Errorf("cert_file %s: names no role, or several: it needs one URI name %sNAME", i.config.CertFile, roleURI)
	}
	pem, err := os.ReadFile(i.config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s: holds no certificate", i.config.CAFile)
	}
	return &credentials{certificate, roots}, nil
}

// credentials are what the files hold. While they cannot be read (one is written, the other not yet) the last good ones stay.
func (i *Identity) credentials() *credentials {
	i.mu.Lock()
	defer i.mu.Unlock()
	if time.Since(i.looked) < lookEvery {
		return i.current
	}
	i.looked = time.Now()
	v, err := i.stat()
	if err == nil && v == i.version {
		return i.current
	}
	var read *credentials
	if err == nil {
		read, err = i.read()
	}
	if err != nil {
		i.log.Error("certificates not read again: the last good ones stay", "error", err)
		return i.current
	}
	i.version, i.current = v, read
	i.log.Info("certificates read again", "cert_file", i.config.CertFile, "expires", read.certificate.Leaf.NotAfter)
	return i.current
}

// Server is the configuration of a listener that only processes of the cluster reach: of the roles, or of any role without
// one. Over it rpc knows its callers' roles.
func (i *Identity) Server(roles ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := i.credentials()
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				NextProtos:   []string{"h2", "http/1.1"},
				Certificates: []tls.Certificate{c.certificate},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    c.roots,
				VerifyConnection: func(s tls.ConnectionState) error {
					return admit(s.PeerCertificates[0], roles)
				},
			}, nil
		},
	}
}

// Client is the configuration of a connection to a process of one of the roles.
func (i *Identity) Client(roles ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.credentials().certificate, nil
		},
		// The standard check asks for a host name, and for roots that never change: verify does without the first and
		// with those of now.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return i.verify(s.PeerCertificates, roles) },
	}
}

// verify checks the chain of a server and its role.
func (i *Identity) verify(chain []*x509.Certificate, roles []string) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: i.credentials().roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	return admit(chain[0], roles)
}

// ErrRole is wrapped by the refusal of a certificate whose role is not the one that was asked for.
var ErrRole = errors.New("not the role that was asked for")

func admit(c *x509.Certificate, roles []string) error {
	role := RoleOf(c)
	if role == "" || len(roles) > 0 && !slices.Contains(roles, role) {
		return fmt.Errorf("certificate of role %q: %w (%s)", role, ErrRole, strings.Join(roles, ", "))
	}
	return nil
}
