// Package cli holds the commands that talk to a running system or work offline, and what all commands share: how they
// read settings. The commands that run services are put together in cmd/limen, since they need every role.
package cli

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/cli/sample"
	"github.com/limen-gateway/limen/platform/settings"
)

// Version is the version of this build of limen.
const Version = "0.1.0-dev"

// New makes the command limen with the commands of this package and those given.
func New(more ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:           "limen",
		Short:         "A self-hosted API gateway that behaves like Amazon API Gateway",
		SilenceUsage:  true, // usage does not explain a failure to run
		SilenceErrors: true, // main prints them
	}
	root.AddCommand(more...)
	root.AddCommand(versionCommand(), healthCommand(), tokenCommand(), sampleCommand(), explainCommand(), waitCommand(), functionCommand(),
		vtlCommand(), jsonpathCommand(), policyCommand(), caCommand(), clusterCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "limen %s %s %s/%s\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// Shortcut is a flag of its own for a setting that is given often.
type Shortcut struct{ Flag, Setting, Help string }

// SettingsFlags adds the flags that all commands with settings have: --config, --set, and the shortcuts. The function it
// returns fills config, a pointer to a struct, from file, environment and flags.
func SettingsFlags(c *cobra.Command, shortcuts ...Shortcut) (load func(config any) (*settings.Loaded, error)) {
	file := c.Flags().String("config", "", "read settings from this YAML file (LIMEN_CONFIG)")
	set := c.Flags().StringArray("set", nil, "set a setting: --set etcd.keep=2h")
	for _, s := range shortcuts {
		c.Flags().String(s.Flag, "", s.Help)
	}
	return func(config any) (*settings.Loaded, error) {
		from := settings.Sources{File: *file}
		for _, entry := range os.Environ() {
			if path, ok := strings.CutPrefix(entry, "LIMEN_CONFIG="); ok {
				if from.File == "" {
					from.File = path
				}
				continue
			}
			from.Environ = append(from.Environ, entry)
		}
		for _, s := range shortcuts {
			if f := c.Flags().Lookup(s.Flag); f.Changed {
				from.Flags = append(from.Flags, settings.Flag{Setting: s.Setting, Flag: "--" + s.Flag, Value: f.Value.String()})
			}
		}
		for _, pair := range *set {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return nil, fmt.Errorf("flag --set: must be name=value, not %q", pair)
			}
			from.Flags = append(from.Flags, settings.Flag{Setting: name, Flag: "--set", Value: value})
		}
		return settings.Load(config, from)
	}
}

// sampleCommand plays a sample function; the function host starts it.
func sampleCommand() *cobra.Command {
	names := sample.Names()
	return &cobra.Command{
		Use:       "sample NAME",
		Short:     "Play a sample function inside a Lambda runtime: " + strings.Join(names, ", "),
		ValidArgs: names,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE:      func(_ *cobra.Command, args []string) error { return sample.Run(args[0]) },
	}
}
