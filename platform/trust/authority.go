package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/limen-gateway/limen/platform/durable"
)

const (
	// caLifetime is long: replacing a CA means a time with two of them in every ca_file.
	caLifetime = 10 * 365 * 24 * time.Hour
	// DefaultLifetime is how long certificates are good for when nothing else is asked.
	DefaultLifetime = 365 * 24 * time.Hour
	// skew lets a host whose clock is behind accept what was just issued.
	skew = 5 * time.Minute
)

// The names of the files that Authority writes.
const (
	CAFile     = "ca.pem"
	caKeyFile  = "ca-key.pem"
	CertFile   = "cert.pem"
	KeyFile    = "key.pem"
	dirMode    = 0o700
	secretMode = 0o600
)

// Authority is the CA of a cluster. Its folder holds its key, and belongs on no host that runs a service.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// NewAuthority makes a CA in a folder, which must not have one yet (fs.ErrExist).
func NewAuthority(dir string, now time.Time) (*Authority, error) {
	if _, err := os.Stat(filepath.Join(dir, caKeyFile)); err == nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, caKeyFile), fs.ErrExist)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("limen cluster CA", now, caLifetime)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	a := &Authority{key: key, pem: encode("CERTIFICATE", der)}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, a.write(dir)
}

// write leaves the certificate before the key: a folder with a key is whole.
func (a *Authority) write(dir string) error {
	key, err := encodeKey(a.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, CAFile), a.pem, secretMode); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, caKeyFile), key, secretMode)
}

// OpenAuthority reads the CA of a folder.
func OpenAuthority(dir string) (*Authority, error) {
	read := func(name string) ([]byte, *pem.Block, error) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, nil, fmt.Errorf("%s: is not PEM", filepath.Join(dir, name))
		}
		return text, block, nil
	}
	text, block, err := read(CAFile)
	if err != nil {
		return nil, err
	}
	a := &Authority{pem: text}
	if a.certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, CAFile), err)
	}
	if _, block, err = read(caKeyFile); err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, caKeyFile), err)
	}
	var ok bool
	if a.key, ok = key.(*ecdsa.PrivateKey); !ok || !a.key.PublicKey.Equal(a.certificate.PublicKey) {
		return nil, fmt.Errorf("%s: is not the key of %s", filepath.Join(dir, caKeyFile), CAFile)
	}
	return a, nil
}

// Request says what a certificate is for.
type Request struct {
	// Role is what it names, as URI and as common name.
	Role string
	// Names are DNS names and IP addresses, for peers that ask for such: members of etcd and NATS.
	Names []string
	// Lifetime is how long it is good for; 0 is DefaultLifetime.
	Lifetime time.Duration
}

// Issue makes a certificate and writes it with its key and the CA's certificate into a folder, each file old or new whole.
func (a *Authority) Issue(dir string, r Request, now time.Time) error {
	if r.Role == "" {
		return errors.New("a certificate needs a role")
	}
	if r.Lifetime == 0 {
		r.Lifetime = DefaultLifetime
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate(r.Role, now, r.Lifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.URIs = []*url.URL{{Scheme: "limen", Host: "role", Path: "/" + r.Role}}
	for _, name := range r.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{CAFile, a.pem}, {KeyFile, keyPEM}, {CertFile, encode("CERTIFICATE", der)}} {
		if err := durable.WriteFile(filepath.Join(dir, f.name), f.text, secretMode); err != nil {
			return err
		}
	}
	return nil
}

func certificate(name string, now time.Time, lifetime time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails: rand.Reader does not
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-skew), NotAfter: now.Add(lifetime),
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(k *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return encode("PRIVATE KEY", der), err
}
