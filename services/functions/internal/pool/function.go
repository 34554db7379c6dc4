package pool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/limen-gateway/limen/core/arn"
)

// Lambda's defaults and bounds.
const (
	Latest             = "$LATEST"
	defaultTimeout     = 3 * time.Second
	maxTimeout         = 15 * time.Minute
	defaultMemory      = 128
	defaultConcurrency = 10
)

// Function declares a function. What is zero has Lambda's default.
type Function struct {
	Name    string `yaml:"name"`
	Region  string `yaml:"region"`  // empty: the same in every region
	Account string `yaml:"account"` // empty: that of the host

	// What runs as $LATEST, see Code.
	Command string            `yaml:"command"`
	Args    []string          `yaml:"args"`
	Sample  string            `yaml:"sample"`
	URL     string            `yaml:"url"`
	Handler string            `yaml:"handler"`
	Env     map[string]string `yaml:"env"`

	Timeout             time.Duration `yaml:"timeout"`              // 3 s
	Memory              int           `yaml:"memory"`               // MB, only told to the process: 128
	ReservedConcurrency int           `yaml:"reserved_concurrency"` // most processes at a time: 10

	Versions map[string]Code   `yaml:"versions"` // by number; what a version leaves out is as in $LATEST
	Aliases  map[string]string `yaml:"aliases"`  // name to version
}

// Code is what runs: a file started as a process, one of this program's samples, or an HTTP target that takes the Lambda
// Invoke form.
type Code struct {
	Command string            `yaml:"command"` // absolute, or relative to the host's folder of functions
	Args    []string          `yaml:"args"`
	Sample  string            `yaml:"sample"` // started as this program with the arguments "sample NAME"
	URL     string            `yaml:"url"`
	Handler string            `yaml:"handler"` // _HANDLER, for runtimes that look at it
	Env     map[string]string `yaml:"env"`
}

func (f *Function) latest() Code { return Code{f.Command, f.Args, f.Sample, f.URL, f.Handler, f.Env} }

func (f *Function) setLatest(c Code) {
	f.Command, f.Args, f.Sample, f.URL, f.Handler, f.Env = c.Command, c.Args, c.Sample, c.URL, c.Handler, c.Env
}

// Check reports what is wrong with a declaration.
func (f Function) Check() error {
	_, err := f.normal("")
	return err
}

// normal fills in defaults, resolves files against dir, and reports what is wrong.
func (f Function) normal(dir string) (Function, error) {
	if err := f.sizes(); err != nil {
		return Function{}, fmt.Errorf("function %q: %w", f.Name, err)
	}
	declared := f.latest()
	latest, err := declared.normal(dir)
	if err != nil {
		return Function{}, fmt.Errorf("function %q: %w", f.Name, err)
	}
	f.setLatest(latest)
	versions := make(map[string]Code, len(f.Versions))
	for number, code := range f.Versions {
		if !arn.IsQualifier(number) || number == Latest {
			return Function{}, fmt.Errorf("function %q: %q is not a version", f.Name, number)
		}
		if versions[number], err = code.over(declared).normal(dir); err != nil {
			return Function{}, fmt.Errorf("function %q: version %s: %w", f.Name, number, err)
		}
	}
	f.Versions = versions
	for alias, version := range f.Aliases {
		if _, known := versions[version]; !arn.IsQualifier(alias) || alias == Latest || !known && version != Latest {
			return Function{}, fmt.Errorf("function %q: alias %q names version %q, which is not declared", f.Name, alias, version)
		}
	}
	return f, nil
}

// sizes checks name and numbers and fills in their defaults.
func (f *Function) sizes() error {
	if f.Timeout == 0 {
		f.Timeout = defaultTimeout
	}
	if f.Memory == 0 {
		f.Memory = defaultMemory
	}
	if f.ReservedConcurrency == 0 {
		f.ReservedConcurrency = defaultConcurrency
	}
	switch {
	case !arn.IsFunctionName(f.Name):
		return errors.New("a name has 1 to 64 letters, digits, hyphens and underscores")
	case f.Timeout < 0 || f.Timeout > maxTimeout:
		return fmt.Errorf("a timeout is between 0 and %v, not %v", maxTimeout, f.Timeout)
	case f.ReservedConcurrency < 0 || f.Memory < 0:
		return errors.New("reserved concurrency and memory are not negative")
	}
	return nil
}

// over is the code with what it leaves out taken from another.
func (c Code) over(latest Code) Code {
	if c.Command == "" && c.URL == "" && c.Sample == "" {
		c.Command, c.URL, c.Sample = latest.Command, latest.URL, latest.Sample
		if c.Args == nil {
			c.Args = latest.Args
		}
	}
	if c.Handler == "" {
		c.Handler = latest.Handler
	}
	if c.Env == nil {
		c.Env = latest.Env
	}
	return c
}

func (c Code) normal(dir string) (Code, error) {
	ways := 0
	for _, way := range []string{c.Command, c.Sample, c.URL} {
		if way != "" {
			ways++
		}
	}
	if ways != 1 {
		return c, errors.New("wants exactly one of command, sample and url")
	}
	if c.Sample != "" {
		exe, err := os.Executable()
		if err != nil {
			return c, fmt.Errorf("sample: %w", err)
		}
		c.Command, c.Args, c.Sample = exe, []string{"sample", c.Sample}, ""
	}
	if c.Command != "" && !filepath.IsAbs(c.Command) {
		c.Command = filepath.Join(dir, c.Command)
	}
	if c.Handler == "" {
		c.Handler = "bootstrap"
	}
	for name := range c.Env {
		if reserved[name] {
			return c, fmt.Errorf("the variable %s is reserved", name)
		}
	}
	return c, nil
}

// Resolve finds the version a qualifier names: "" is $LATEST.
func (f *Function) Resolve(qualifier string) (version string, code Code, ok bool) {
	if target, isAlias := f.Aliases[qualifier]; isAlias {
		qualifier = target
	}
	if qualifier == "" || qualifier == Latest {
		return Latest, f.latest(), true
	}
	code, ok = f.Versions[qualifier]
	return qualifier, code, ok
}

// reserved are the variables that Lambda sets itself and lets nobody declare.
var reserved = map[string]bool{
	"_HANDLER": true, "_X_AMZN_TRACE_ID": true, "AWS_REGION": true, "AWS_DEFAULT_REGION": true, "AWS_EXECUTION_ENV": true,
	"AWS_LAMBDA_FUNCTION_NAME": true, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": true, "AWS_LAMBDA_FUNCTION_VERSION": true,
	"AWS_LAMBDA_INITIALIZATION_TYPE": true, "AWS_LAMBDA_LOG_GROUP_NAME": true, "AWS_LAMBDA_LOG_STREAM_NAME": true,
	"AWS_LAMBDA_RUNTIME_API": true, "LAMBDA_TASK_ROOT": true, "LAMBDA_RUNTIME_DIR": true,
}
