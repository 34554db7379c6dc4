package cli

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/platform/durable"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/seal"
	"github.com/limen-gateway/limen/platform/trust"
)

// The files of secrets in the folders of the roles that need them.
const (
	rootKeysFile  = "root-keys"
	masterKeyFile = "master-key"
)

func clusterCommand() *cobra.Command {
	c := &cobra.Command{Use: "cluster", Short: "Make what a cluster needs before its first start, and show its keys"}
	c.AddCommand(clusterInitCommand(), clusterKeysCommand())
	return c
}

func clusterInitCommand() *cobra.Command {
	var s secrets
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the CA, the certificates of the roles, the root keys and the master key",
		Long: "Make the secrets of a cluster: a CA, and for each role a folder with its certificate and with the keys that it\n" +
			"alone needs. What is there already stays, but for certificates in the last third of their time, which are issued\n" +
			"anew: so it may run before every start.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.make(c.OutOrStdout(), time.Now()) },
	}
	c.Flags().StringVar(&s.ca, "ca", "ca", "the folder of the CA")
	c.Flags().StringVar(&s.dir, "dir", "secrets", "the folder in which each role gets a folder of its own")
	c.Flags().StringSliceVar(&s.roles, "role", []string{"etcd", "nats", "metering", "admin", "functions", "authz", "cache", "edge", "wsconn", "entry"}, "the roles")
	c.Flags().StringSliceVar(&s.accounts, "account", []string{"111111111111", "222222222222"}, "the accounts that get root keys")
	c.Flags().StringToStringVar(&s.names, "names", nil, "names by which peers reach members of a role: etcd=etcd1/etcd2/etcd3")
	return c
}

// secrets are what a cluster needs before its first start.
type secrets struct {
	ca, dir         string
	roles, accounts []string
	names           map[string]string
}

func (s *secrets) make(out io.Writer, now time.Time) error {
	a, err := trust.OpenAuthority(s.ca)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = trust.NewAuthority(s.ca, now)
	}
	if err != nil {
		return err
	}
	for _, role := range s.roles {
		if err := s.certify(a, role, now); err != nil {
			return fmt.Errorf("role %s: %w", role, err)
		}
	}
	if err := s.keys(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "the secrets of the cluster are in %s\n", s.dir)
	return err
}

// certify gives a role a certificate, if it has none with time left.
func (s *secrets) certify(a *trust.Authority, role string, now time.Time) error {
	dir := filepath.Join(s.dir, role)
	fresh, err := lasts(filepath.Join(dir, trust.CertFile), now)
	if err != nil || fresh {
		return err
	}
	r := trust.Request{Role: role}
	if names := s.names[role]; names != "" {
		r.Names = strings.Split(names, "/")
	}
	return a.Issue(dir, r, now)
}

// lasts reports whether a certificate is there and not in the last third of its time.
func lasts(path string, now time.Time) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return false, fmt.Errorf("%s: is not PEM", path)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return now.Before(c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3)), nil
}

// keys makes the root keys, which authz needs too, and the key that seals secrets in the store.
func (s *secrets) keys() error {
	path := filepath.Join(s.dir, "admin", rootKeysFile)
	if _, err := rootkeys.LoadOrCreate(path, s.accounts...); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(s.dir, "authz", rootKeysFile), text, 0o600); err != nil {
		return err
	}
	_, err = seal.LoadOrCreate(filepath.Join(s.dir, "admin", masterKeyFile))
	return err
}

func clusterKeysCommand() *cobra.Command {
	var file, account, endpoint, region string
	c := &cobra.Command{
		Use:   "keys",
		Short: "Print the environment that the AWS CLI and SDKs need",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			k, err := rootKey(file, account)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "export AWS_ENDPOINT_URL=%s AWS_DEFAULT_REGION=%s\nexport AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\n",
				endpoint, region, k.AccessKeyID, k.SecretAccessKey)
			return err
		},
	}
	c.Flags().StringVar(&file, "file", os.Getenv("LIMEN_ROOT_ACCESS_KEY_FILE"), "the file of root keys (LIMEN_ROOT_ACCESS_KEY_FILE)")
	c.Flags().StringVar(&account, "account", "", "the account, the first when empty")
	c.Flags().StringVar(&endpoint, "endpoint", "http://127.0.0.1:4566", "where the control plane is reached")
	c.Flags().StringVar(&region, "region", "us-east-1", "the region")
	return c
}
