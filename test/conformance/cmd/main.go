// Command cmd runs conformance cases of a folder against limen, or against a gateway that runs already, and prints what
// differs and the counts of each area. It ends with 1 when something was not as expected.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/limen-gateway/limen/test/conformance"
	"github.com/limen-gateway/limen/test/harness"
)

// options are what a user may choose.
type options struct {
	dir, area, only string
	gaps            string
	operations      string
	endpoint, data  string
	keys, region    string
	listen, log     string
	settings        settings
}

// settings is a flag that comes more than once.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

// Set adds one.
func (s *settings) Set(v string) error {
	*s = append(*s, v)
	return nil
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "the folder of cases: AREA/cases.json, and operations.json")
	flag.StringVar(&o.area, "area", "", "the one area that is run")
	flag.StringVar(&o.only, "case", "", "run only cases with this in their name")
	flag.StringVar(&o.operations, "operations", "", "how control-plane calls travel; DIR/operations.json when empty")
	flag.StringVar(&o.gaps, "gaps", "", "apply this list of known gaps")
	flag.StringVar(&o.endpoint, "endpoint", "", "URL of a control plane that runs; without one limen is started")
	flag.StringVar(&o.data, "data-endpoint", "", "with -endpoint: URL of the data plane, the same when empty")
	flag.StringVar(&o.keys, "keys", "", "with -endpoint: file of root keys; what is in these accounts is deleted")
	flag.StringVar(&o.region, "region", "us-east-1", "with -endpoint: the region")
	flag.StringVar(&o.listen, "listen", "127.0.0.1", "address of this machine where the gateway reaches the fake backends")
	flag.StringVar(&o.log, "log", "", "write limen's log to this file")
	flag.Var(&o.settings, "set", "a setting for the limen that is started, in which {aws} is the address of the stand-ins of AWS's services; may come more than once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if !ok {
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (ok bool, err error) {
	if o.dir == "" {
		return false, errors.New("-dir must name a folder of cases")
	}
	areas, err := conformance.ReadAreas(o.dir, o.area)
	if err != nil {
		return false, err
	}
	operations, err := conformance.ReadOperations(cmp.Or(o.operations, filepath.Join(o.dir, "operations.json")))
	if err != nil {
		return false, err
	}
	var gaps *conformance.Gaps
	if o.gaps != "" {
		if gaps, err = conformance.ReadGaps(o.gaps); err != nil {
			return false, err
		}
	}
	stand, err := conformance.ServeAWS(o.listen)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stand.Close()) }()
	for i := range o.settings {
		o.settings[i] = strings.ReplaceAll(o.settings[i], "{aws}", stand.URL)
	}
	target, stop, err := reach(ctx, o, areas)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	engines, err := askEngines(ctx, o.dir, areas)
	if err != nil {
		return false, err
	}
	report := conformance.NewReport(os.Stdout, gaps)
	s := &conformance.Suite{Target: target, Operations: operations, Engines: engines, Listen: o.listen, Only: o.only, AWS: stand}
	s.Run(ctx, areas, report.Add)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return report.Finish(o.only == ""), nil
}

func askEngines(ctx context.Context, dir string, areas []conformance.Area) (conformance.Verdicts, error) {
	root, err := harness.Root()
	if err != nil {
		return conformance.Verdicts{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return conformance.Verdicts{}, err
	}
	return conformance.AskEngines(ctx, root, dir, areas)
}

// reach takes the gateway that runs, or starts one.
func reach(ctx context.Context, o options, areas []conformance.Area) (*conformance.Target, func() error, error) {
	if o.endpoint != "" {
		if o.keys == "" {
			return nil, nil, errors.New("an endpoint wants keys (KEYS=FILE, -keys FILE): a line \"account access-key secret\" for each root key of that gateway, " +
				"as in root-keys of limen dev's data folder; limen cluster keys prints those of a cluster. What is in these accounts is deleted")
		}
		keys, err := conformance.ReadKeys(o.keys)
		if err != nil {
			return nil, nil, fmt.Errorf("-keys: %w", err)
		}
		return &conformance.Target{Control: strings.TrimSuffix(o.endpoint, "/"), Data: cmp.Or(o.data, o.endpoint), Region: o.region, Keys: keys, Shared: true},
			func() error { return nil }, nil
	}
	binary, err := harness.Build()
	if err != nil {
		return nil, nil, err
	}
	log := io.Discard
	if o.log != "" {
		f, err := os.Create(o.log)
		if err != nil {
			return nil, nil, err
		}
		log = f // the process writes to it until the end
	}
	accounts := 0
	for _, a := range areas {
		accounts += len(a.Cases)
	}
	p, err := conformance.Start(ctx, binary, accounts, o.settings, log)
	if err != nil {
		return nil, nil, err
	}
	return &p.Target, p.Stop, nil
}
