package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/platform/trust"
)

func caCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "ca",
		Short: "Make the cluster's CA and the certificates of its processes",
		Long: "Processes of a cluster prove themselves to each other by certificates of one CA, which name their roles. Its folder\n" +
			"holds its key: keep it on no host that runs a service.",
	}
	c.PersistentFlags().StringVar(&dir, "dir", "ca", "the folder of the CA")
	c.AddCommand(caInitCommand(&dir), caIssueCommand(&dir))
	return c
}

func caInitCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Make a CA",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := trust.NewAuthority(*dir, time.Now()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "made the CA %s\n", *dir)
			return err
		},
	}
}

func caIssueCommand(dir *string) *cobra.Command {
	var r trust.Request
	var out string
	c := &cobra.Command{
		Use:   "issue --role ROLE --out FOLDER",
		Short: "Make a certificate for processes of a role",
		Long: "Write " + trust.CAFile + ", " + trust.CertFile + " and " + trust.KeyFile + " for processes of a role into a folder, for the settings trust.ca_file,\n" +
			"trust.cert_file and trust.key_file. Running processes read them again within a second. Members of etcd and NATS\n" +
			"also need the names by which their peers reach them (--name).",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			a, err := trust.OpenAuthority(*dir)
			if err != nil {
				return fmt.Errorf("flag --dir: %w", err)
			}
			if err := a.Issue(out, r, time.Now()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "issued a certificate of role %s in %s\n", r.Role, out)
			return err
		},
	}
	c.Flags().StringVar(&r.Role, "role", "", "the role it names")
	c.Flags().StringVar(&out, "out", "", "the folder that it is written into")
	c.Flags().StringSliceVar(&r.Names, "name", nil, "a DNS name or IP address in it; may be given several times")
	c.Flags().DurationVar(&r.Lifetime, "lifetime", trust.DefaultLifetime, "how long it is good for")
	_ = c.MarkFlagRequired("role")
	_ = c.MarkFlagRequired("out")
	return c
}
