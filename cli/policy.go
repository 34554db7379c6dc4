package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/core/policy"
)

// errDenied makes the command fail where the request would.
var errDenied = errors.New("the request is denied")

func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Ask policies about a request, without a server"}
	c.AddCommand(policyExplainCommand())
	return c
}

func policyExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain POLICY...",
		Short: "Say what policies decide about a request, and which statement decides",
		Long: "Say what policies decide about a request, and which statement decides. POLICY is a file, - stands for the standard\n" +
			"input. The first line is the decision; the following ones say what each statement has to do with the request. The\n" +
			"command fails when the request is denied.",
		Example: "limen policy explain policy.json --resource arn:aws:execute-api:us-east-1:111111111111:a1b2c3/prod/GET/pets --context aws:SourceIp=192.0.2.1",
		Args:    cobra.MinimumNArgs(1),
	}
	identity := c.Flags().Bool("identity", false, "the policies are those of a caller, or a Lambda authorizer's answer: they name no principal")
	action := c.Flags().String("action", "execute-api:Invoke", "what is asked for")
	resource := c.Flags().String("resource", "", "ARN that is asked for")
	principal := c.Flags().String("principal", "", "ARN of the caller; without one it is anonymous")
	role := c.Flags().String("role", "", "ARN of the role whose session the caller is")
	context := c.Flags().StringArray("context", nil, "condition key and value, name=value; several times for several values")
	_ = c.MarkFlagRequired("resource")
	c.RunE = func(c *cobra.Command, args []string) error {
		kind := policy.Resource
		if *identity {
			kind = policy.Identity
		}
		policies, err := readPolicies(c, args, kind)
		if err != nil {
			return err
		}
		r := &policy.Request{Action: *action, Resource: *resource, Principal: policy.Principal{ARN: *principal, Role: *role}}
		if err := setContext(&r.Context, *context); err != nil {
			return err
		}
		d := policy.Decide(r, policies...)
		fmt.Fprintln(c.OutOrStdout(), d)
		for _, f := range policy.Explain(r, policies...) {
			fmt.Fprintln(c.OutOrStdout(), f)
		}
		if !d.Allowed() {
			return errDenied
		}
		return nil
	}
	return c
}

func readPolicies(c *cobra.Command, files []string, kind policy.Kind) ([]*policy.Policy, error) {
	var out []*policy.Policy
	for _, file := range files {
		text, err := readFile(c, file)
		if err != nil {
			return nil, err
		}
		d, err := policy.Parse(string(text), kind)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, d.Compile(file))
	}
	return out, nil
}

func setContext(to *policy.Context, pairs []string) error {
	values := map[string][]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("flag --context: must be name=value, not %q", pair)
		}
		values[key] = append(values[key], value)
	}
	for key, v := range values {
		to.Set(key, v...)
	}
	return nil
}
