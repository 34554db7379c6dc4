package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/token"
)

func tokenCommand() *cobra.Command {
	var dataDir, account string
	var lifetime time.Duration
	c := &cobra.Command{
		Use:   "token",
		Short: "Print a short-lived bearer token for gRPC calls",
		Long: "Print a bearer token for gRPC calls, signed with the access key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,\n" +
			"or with a root key of the data folder of limen dev:\n\n" +
			"  grpcurl -H \"authorization: Bearer $(limen token)\" …",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			key, err := accessKey(dataDir, account)
			if err != nil {
				return err
			}
			t, err := token.Mint(key.AccessKeyID, key.SecretAccessKey, time.Now(), lifetime)
			if err != nil {
				return fmt.Errorf("flag --lifetime: %w", err)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), t)
			return err
		},
	}
	c.Flags().StringVar(&dataDir, "data-dir", "", "take a root key from this data folder instead of the environment")
	c.Flags().StringVar(&account, "account", "", "with --data-dir: the account, the first when empty")
	c.Flags().DurationVar(&lifetime, "lifetime", token.DefaultLifetime, fmt.Sprintf("how long the token is good for, at most %s", token.MaxLifetime))
	return c
}

// accessKey finds the key that signs.
func accessKey(dataDir, account string) (rootkeys.Key, error) {
	if dataDir == "" {
		k := rootkeys.Key{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
		if k.AccessKeyID == "" || k.SecretAccessKey == "" {
			return k, fmt.Errorf("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set, or --data-dir given")
		}
		return k, nil
	}
	return rootKey(filepath.Join(dataDir, rootKeysFile), account)
}

// rootKey is that of an account in a file, the first without one.
func rootKey(file, account string) (rootkeys.Key, error) {
	keys, err := rootkeys.Load(file)
	if err != nil {
		return rootkeys.Key{}, err
	}
	for _, k := range keys {
		if account == "" || k.Account == account {
			return k, nil
		}
	}
	return rootkeys.Key{}, fmt.Errorf("flag --account: there is no root key for account %q", account)
}
