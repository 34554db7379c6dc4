package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

const functionsPath = "/_limen/v1/functions"

func functionCommand() *cobra.Command {
	c := &cobra.Command{Use: "function", Short: "Declare the functions that integrations invoke"}
	c.AddCommand(putFunctionCommand(), listFunctionsCommand(), deleteFunctionCommand())
	return c
}

func putFunctionCommand() *cobra.Command {
	f := &snapshotv1.Function{}
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "put NAME (-- COMMAND ARGS… | --sample NAME | --url URL)",
		Short: "Declare a function, or replace its declaration",
		Long: "Declare a function: a program that speaks the Lambda Runtime API (any program built on aws-lambda-go), one of\n" +
			"limen's samples, or an HTTP target that takes the Lambda Invoke form.",
		Args: cobra.MinimumNArgs(1),
	}
	c.Flags().StringVar(&f.Sample, "sample", "", "one of limen's sample functions")
	c.Flags().StringVar(&f.Url, "url", "", "an HTTP target that takes the Lambda Invoke form")
	c.Flags().StringToStringVar(&f.Environment, "env", nil, "variables of the process: KEY=VALUE, repeated")
	c.Flags().DurationVar(&timeout, "timeout", 0, "how long one invocation may take (default 3s)")
	c.Flags().Int32Var(&f.ReservedConcurrency, "reserved-concurrency", 0, "most processes at a time (default 10)")
	dial := clientFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		f.Name, f.Command, f.TimeoutSeconds = args[0], args[1:], int32(timeout.Seconds())
		client, err := dial()
		if err != nil {
			return err
		}
		out := &snapshotv1.Function{}
		if err := client.call(c.Context(), http.MethodPut, functionsPath+"/"+url.PathEscape(f.Name), f, out); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "arn:aws:lambda:%s:%s:function:%s\n", out.Region, out.Account, out.Name)
		return err
	}
	return c
}

func listFunctionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the declared functions of the account", Args: cobra.NoArgs}
	dial := clientFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := dial()
		if err != nil {
			return err
		}
		out := &adminv1.ListFunctionsResponse{}
		if err := client.call(c.Context(), http.MethodGet, functionsPath, nil, out); err != nil {
			return err
		}
		for _, f := range out.Functions {
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%s\t%s\n", f.Name, runs(f)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

func runs(f *snapshotv1.Function) string {
	switch {
	case f.Url != "":
		return f.Url
	case f.Sample != "":
		return "sample " + f.Sample
	}
	return strings.Join(f.Command, " ")
}

func deleteFunctionCommand() *cobra.Command {
	c := &cobra.Command{Use: "delete NAME", Short: "Take a declaration away", Args: cobra.ExactArgs(1)}
	dial := clientFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := dial()
		if err != nil {
			return err
		}
		return client.call(c.Context(), http.MethodDelete, functionsPath+"/"+url.PathEscape(args[0]), nil, &adminv1.ListFunctionsResponse{})
	}
	return c
}
