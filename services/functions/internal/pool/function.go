package pool

import (
	"fmt"
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
	Name    string
	Region  string // empty: the same in every region
	Account string // empty: that of the host

	Code // of $LATEST

	Timeout             time.Duration // 3 s
	Memory              int           // MB, only told to the process
	ReservedConcurrency int           // most processes at a time: 10

	Versions map[string]Code   // by number; what a version leaves out is as in $LATEST
	Aliases  map[string]string // name to version
}

// Code is what runs: a file started as a process, or an HTTP target that takes the Lambda Invoke form.
type Code struct {
	Command string // absolute, or relative to the host's folder of functions
	Args    []string
	Handler string // _HANDLER, for runtimes that look at it
	Env     map[string]string
	URL     string
}

// normal fills in defaults, resolves files against dir, and reports what is wrong.
func (f Function) normal(dir string) (Function, error) {
	bad := func(format string, args ...any) (Function, error) {
		return Function{}, fmt.Errorf("function %q: %s", f.Name, fmt.Sprintf(format, args...))
	}
	if !arn.IsFunctionName(f.Name) {
		return bad("a name has 1 to 64 letters, digits, hyphens and underscores")
	}
	if f.Timeout == 0 {
		f.Timeout = defaultTimeout
	}
	if f.Timeout < 0 || f.Timeout > maxTimeout {
		return bad("a timeout is between 0 and %v, not %v", maxTimeout, f.Timeout)
	}
	if f.Memory == 0 {
		f.Memory = defaultMemory
	}
	if f.ReservedConcurrency == 0 {
		f.ReservedConcurrency = defaultConcurrency
	}
	if f.ReservedConcurrency < 0 || f.Memory < 0 {
		return bad("reserved concurrency and memory are not negative")
	}
	var err error
	if f.Code, err = f.Code.normal(dir); err != nil {
		return bad("%v", err)
	}
	versions := make(map[string]Code, len(f.Versions))
	for number, code := range f.Versions {
		if !arn.IsQualifier(number) || number == Latest {
			return bad("%q is not a version", number)
		}
		if versions[number], err = code.over(f.Code).normal(dir); err != nil {
			return bad("version %s: %v", number, err)
		}
	}
	f.Versions = versions
	for alias, version := range f.Aliases {
		if _, known := versions[version]; !arn.IsQualifier(alias) || alias == Latest || !known && version != Latest {
			return bad("alias %q names version %q, which is not declared", alias, version)
		}
	}
	return f, nil
}

// over is the code with what it leaves out taken from another.
func (c Code) over(latest Code) Code {
	if c.Command == "" && c.URL == "" {
		c.Command, c.URL = latest.Command, latest.URL
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
	if (c.Command == "") == (c.URL == "") {
		return c, fmt.Errorf("either a command or a url")
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
		return Latest, f.Code, true
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
