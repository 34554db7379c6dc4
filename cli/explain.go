package cli

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
)

func explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain REQUEST_ID",
		Short: "Say why a request got the answer it got",
		Long: "Say why a request got the answer it got. REQUEST_ID is the value of x-amzn-RequestId or x-amz-apigw-id in the\n" +
			"answer. The first line names the cause; the following ones what the request went through.",
		Args: cobra.ExactArgs(1),
	}
	dial := clientFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := dial()
		if err != nil {
			return err
		}
		var out adminv1.ExplainResponse
		if err := client.call(c.Context(), http.MethodGet, "/_limen/v1/explain/"+url.PathEscape(args[0]), nil, &out); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), out.Text)
		return err
	}
	return c
}
