package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/core/jsonpath"
)

func jsonpathCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "jsonpath PATH [FILE]",
		Short:   "Print what a JSONPath finds, as $input.json prints it",
		Long:    "Print what a JSONPath finds, as $input.json prints it. Without FILE the document comes from the standard input.",
		Example: "echo '{\"a\":[1,2]}' | limen jsonpath '$.a[0]'",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			program, err := jsonpath.Compile(args[0])
			if err != nil {
				return fmt.Errorf("path: %w", err)
			}
			file := "-"
			if len(args) == 2 {
				file = args[1]
			}
			text, err := readFile(c, file)
			if err != nil {
				return err
			}
			document, err := jsonpath.ParseJSON(string(text))
			if err != nil {
				return fmt.Errorf("document: %w", err)
			}
			found, err := program.Eval(document)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), found)
			return err
		},
	}
}
