package cli

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
)

func waitCommand() *cobra.Command {
	var revision int64
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait API STAGE | wait --revision N",
		Short: "Wait until every edge serves what a stage publishes",
		Long: "Wait until every edge serves the deployment that a stage names, or has got to the revision that an answer\n" +
			"carried in x-limen-revision. Ends with 1 when some do not within the timeout, and names them.",
		Args: cobra.MaximumNArgs(2),
	}
	c.Flags().Int64Var(&revision, "revision", 0, "wait for this revision instead of a stage")
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait, at most 50s")
	dial := clientFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		req := &adminv1.WaitRequest{Revision: revision, TimeoutMillis: timeout.Milliseconds()}
		switch {
		case revision == 0 && len(args) == 2:
			req.ApiId, req.Stage = args[0], args[1]
		case revision == 0 || len(args) > 0:
			return fmt.Errorf("either API and STAGE or --revision must be given")
		}
		client, err := dial()
		if err != nil {
			return err
		}
		var out adminv1.WaitResponse
		if err := client.call(c.Context(), http.MethodPost, "/_limen/v1/wait", req, &out); err != nil {
			return err
		}
		if out.Edges == 0 {
			return fmt.Errorf("no edge follows this installation")
		}
		if out.Serving < out.Edges {
			return fmt.Errorf("%d of %d edges serve it\n%s", out.Serving, out.Edges, strings.Join(out.Pending, "\n"))
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d of %d edges serve it\n", out.Serving, out.Edges)
		return err
	}
	return c
}
