package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/platform/run"
)

// maxAnswer is as much of an answer as is shown.
const maxAnswer = 4 << 10

func healthCommand() *cobra.Command {
	var address string
	var timeout, wait time.Duration
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
			answer, err := askWithin(c.Context(), "http://"+address+path, timeout, wait)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.OutOrStdout(), answer)
			return err
		},
	}
	c.Flags().StringVar(&address, "address", "127.0.0.1:4566", "host:port of the side listener")
	c.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for an answer")
	c.Flags().DurationVar(&wait, "wait", 0, "ask again for as long as this until it is ready")
	return c
}

// askAgain is how often a process that is not ready is asked.
const askAgain = 200 * time.Millisecond

// askWithin asks until there is a good answer or the time is over; the error is that of the last answer.
func askWithin(ctx context.Context, url string, timeout, wait time.Duration) (string, error) {
	until := time.Now().Add(wait)
	for {
		one, cancel := context.WithTimeout(ctx, timeout)
		answer, err := ask(one, url)
		cancel()
		if err == nil || time.Now().After(until) || !run.Pause(ctx, askAgain) {
			return answer, err
		}
	}
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
