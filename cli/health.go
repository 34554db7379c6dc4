package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// maxAnswer is as much of an answer as is shown.
const maxAnswer = 4 << 10

func healthCommand() *cobra.Command {
	var address string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "health [ROLE]",
		Short: "Ask a running process, or one role of it, whether it is ready",
		Long: "Ask the side listener of a process, or the port of limen dev, whether it is ready: the whole process, or one\n" +
			"role of it. Ends with 0 when it is, so that containers can use it as their health check.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := "/readyz"
			if len(args) == 1 {
				path += "/" + args[0]
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			answer, err := ask(ctx, "http://"+address+path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.OutOrStdout(), answer)
			return err
		},
	}
	c.Flags().StringVar(&address, "address", "127.0.0.1:4566", "host:port of the side listener")
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for an answer")
	return c
}

// ask returns the body of a good answer; any other is an error.
func ask(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}
