package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/cli"
	"github.com/limen-gateway/limen/platform/durable"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/roles"
)

var (
	dataDirFlag = cli.Shortcut{Flag: "data-dir", Setting: "data_dir", Help: "the folder where everything that must last is kept (default .limen)"}
	listenFlag  = cli.Shortcut{Flag: "listen", Setting: "listen", Help: "the one address that is served (default 127.0.0.1:4566)"}
)

func devCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dev [OPENAPI_FILE]",
		Short: "Run everything in this process",
		Long: "Run every role in one process on one port, with its data in one folder, and serve the API of an OpenAPI file on\n" +
			"the stage dev, or a sample API on the stage prod. Prints the keys and addresses that the AWS CLI and SDKs need\n" +
			"once it is ready.",
		Args: cobra.MaximumNArgs(1),
	}
	withSettings(c, func() string { return "limen" }, []cli.Shortcut{dataDirFlag, listenFlag}, func(begin time.Time, config roles.Config, t *telemetry.Telemetry) ([]run.Named, error) {
		keys, path, err := roles.RootKeys(config, true)
		if err != nil {
			return nil, err
		}
		dev, err := roles.Dev(config, t)
		if err != nil {
			return nil, err
		}
		var seed roles.Seed
		prepare := func(ctx context.Context) (err error) {
			seed, err = dev.Seed(ctx, c.Flags().Arg(0))
			return err
		}
		return append(dev.Services, started(t, prepare, func() {
			announce(c.OutOrStdout(), config, "http://"+dev.Address(), path, keys[0], seed, time.Since(begin))
		})), nil
	})
	return c
}

func serverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "server --role ROLE…",
		Short: "Run some roles of a cluster in this process",
		Args:  cobra.NoArgs,
	}
	names := c.Flags().StringSlice("role", nil, "a role to run: "+strings.Join(roles.Names(), ", "))
	service := func() string { return "limen-" + strings.Join(*names, "-") }
	withSettings(c, service, []cli.Shortcut{dataDirFlag}, func(begin time.Time, config roles.Config, t *telemetry.Telemetry) ([]run.Named, error) {
		list, err := roles.Server(config, t, *names...)
		if err != nil {
			return nil, err
		}
		nothing := func(context.Context) error { return nil }
		return append(list, started(t, nothing, func() {
			t.Log.Info("ready", "roles", *names, "took", time.Since(begin), "side_listener", t.Address())
		})), nil
	})
	return c
}

// withSettings makes c run the services that list makes of its settings, until a signal comes or one of them fails. service is
// what traces and metrics call the process.
func withSettings(c *cobra.Command, service func() string, flags []cli.Shortcut, list func(time.Time, roles.Config, *telemetry.Telemetry) ([]run.Named, error)) {
	load := cli.SettingsFlags(c, flags...)
	show := c.Flags().Bool("print-settings", false, "print every setting and where it comes from, and end")
	c.RunE = func(c *cobra.Command, _ []string) error {
		begin := time.Now()
		var config roles.Config
		loaded, err := load(&config)
		if err != nil {
			return err
		}
		if *show {
			return loaded.Print(c.OutOrStdout())
		}
		return serve(c.Context(), service(), begin, config, loaded, list)
	}
}

func serve(ctx context.Context, service string, begin time.Time, config roles.Config, loaded *settings.Loaded, list func(time.Time, roles.Config, *telemetry.Telemetry) ([]run.Named, error)) (err error) {
	t, err := telemetry.New(config.Telemetry, service, cli.Version)
	if err != nil {
		return err
	}
	for _, name := range loaded.Unknown() {
		t.Log.Warn("unknown setting in the environment", "variable", name)
	}
	unlock, err := durable.Lock(config.DataDir)
	if err != nil {
		return fmt.Errorf("data_dir (LIMEN_DATA_DIR, --data-dir): %w", err)
	}
	defer unlock()
	services, err := list(begin, config, t)
	if err != nil {
		return err
	}
	return run.UntilSignal(ctx, t.Log, run.New(t.Log, services...))
}

// started is the last service of a list: it does what is left to do, and tells the probes that everything runs, and then
// whoever reads what it announces, who may ask the probes at once.
func started(t *telemetry.Telemetry, prepare func(context.Context) error, announce func()) run.Named {
	return run.Named{Name: "announce", Service: run.Func(func(ctx context.Context) error {
		if err := prepare(ctx); err != nil {
			return err
		}
		t.Health.Started()
		announce()
		<-ctx.Done()
		t.Health.Drain()
		return nil
	})}
}

// announce prints what a user of dev needs. The last line begins with "limen ready": what waits for dev waits for it.
func announce(w io.Writer, c roles.Config, url, keyFile string, k rootkeys.Key, seed roles.Seed, took time.Duration) {
	fmt.Fprintf(w, `AWS_ENDPOINT_URL=%s
AWS_ACCESS_KEY_ID=%s
AWS_SECRET_ACCESS_KEY=%s
AWS_DEFAULT_REGION=%s

# account %s; more keys in %s
`, url, k.AccessKeyID, k.SecretAccessKey, c.Region, k.Account, keyFile)
	if seed.API != "" {
		fmt.Fprintf(w, "# API %s of %s, stage %s; also at http://%s.execute-api.localhost%s/%s/\ncurl '%s/_aws/execute-api/%s/%s%s'\n",
			seed.API, seed.Name, seed.Stage, seed.API, url[strings.LastIndexByte(url, ':'):], seed.Stage, url, seed.API, seed.Stage, seed.Path)
	}
	fmt.Fprintf(w, "\nlimen ready in %d ms at %s\n", took.Milliseconds(), url)
}
