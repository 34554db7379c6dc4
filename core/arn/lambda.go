package arn

import (
	"errors"
	"strings"
)

// maxFunctionName is Lambda's limit on a function's name.
const maxFunctionName = 64

// Function names a Lambda function, or with a Qualifier one version or alias of it. An empty Partition is the region's.
type Function struct {
	Partition string
	Region    string
	Account   string
	Name      string
	Qualifier string
}

var (
	errNotFunction   = errors.New("arn: not the ARN of a Lambda function")
	errFunctionName  = errors.New("arn: a function name has 1 to 64 letters, digits, hyphens and underscores")
	errQualifier     = errors.New("arn: a qualifier is $LATEST, a version or an alias of letters, digits, hyphens and underscores")
	errAccount       = errors.New("arn: an account id has twelve digits")
	errNotInvocation = errors.New("arn: not a Lambda invocation URI")
)

// ParseFunction reads the full ARN of a Lambda function, qualified or not. Stage variables must have been put in before.
func ParseFunction(s string) (Function, error) {
	a, err := Parse(s)
	if err != nil {
		return Function{}, err
	}
	rest, ok := strings.CutPrefix(a.Resource, "function:")
	if !ok || a.Service != "lambda" || a.Region == "" {
		return Function{}, errNotFunction
	}
	if !isAccount(a.Account) {
		return Function{}, errAccount
	}
	f := Function{Partition: a.Partition, Region: a.Region, Account: a.Account}
	return f.named(rest)
}

// ParseFunctionName reads a function as Lambda's own API lets callers name it: a name, name:qualifier, the partial form
// account:function:name, or a full ARN. What the short forms leave out comes from home.
func ParseFunctionName(s string, home Function) (Function, error) {
	if strings.HasPrefix(s, "arn:") {
		return ParseFunction(s)
	}
	f := Function{Partition: home.Partition, Region: home.Region, Account: home.Account}
	rest := s
	if before, after, ok := strings.Cut(s, ":function:"); ok {
		if !isAccount(before) {
			return Function{}, errAccount
		}
		f.Account, rest = before, after
	} else if after, ok := strings.CutPrefix(s, "function:"); ok {
		rest = after
	}
	return f.named(rest)
}

// named fills in "name" or "name:qualifier".
func (f Function) named(s string) (Function, error) {
	name, qualifier, qualified := strings.Cut(s, ":")
	if !IsFunctionName(name) {
		return Function{}, errFunctionName
	}
	if qualified && !IsQualifier(qualifier) {
		return Function{}, errQualifier
	}
	f.Name, f.Qualifier = name, qualifier
	return f, nil
}

// String is the function's ARN.
func (f Function) String() string {
	s := "arn:" + partitionOr(f.Partition, f.Region) + ":lambda:" + f.Region + ":" + f.Account + ":function:" + f.Name
	if f.Qualifier != "" {
		s += ":" + f.Qualifier
	}
	return s
}

// IsFunctionName reports whether Lambda would take s as a function's name.
func IsFunctionName(s string) bool { return len(s) <= maxFunctionName && isWord(s) }

// IsQualifier reports whether s can name a version or an alias.
func IsQualifier(s string) bool { return s == "$LATEST" || len(s) <= 128 && isWord(s) }

func isWord(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != ""
}

const (
	invocationHead = "path/2015-03-31/functions/"
	invocationTail = "/invocations"
	streamingHead  = "path/2021-11-15/functions/"
	streamingTail  = "/response-streaming-invocations"
)

// Invocation is the URI of a Lambda integration: the region that API Gateway calls, and the function.
type Invocation struct {
	Region    string
	Function  Function
	Streaming bool // InvokeWithResponseStream instead of Invoke
}

// ParseInvocation reads a Lambda integration's URI, buffered or streaming (spec/rest.md 4.2).
func ParseInvocation(uri string) (Invocation, error) {
	i, err := ParseIntegration(uri)
	if err != nil {
		return Invocation{}, err
	}
	if i.Service != "lambda" || i.Subdomain != "" || i.Action {
		return Invocation{}, errNotInvocation
	}
	function, streaming, ok := cutInvocation("path/" + i.Target)
	if !ok {
		return Invocation{}, errNotInvocation
	}
	f, err := ParseFunction(function)
	if err != nil {
		return Invocation{}, err
	}
	return Invocation{Region: i.Region, Function: f, Streaming: streaming}, nil
}

// IsLambda reports whether an integration's URI means Lambda, whatever it is to do; stage variables may stand in the target.
func IsLambda(uri string) bool {
	parts := strings.SplitN(uri, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "apigateway" && parts[4] == "lambda"
}

func cutInvocation(path string) (function string, streaming, ok bool) {
	if rest, found := strings.CutPrefix(path, invocationHead); found {
		function, ok = strings.CutSuffix(rest, invocationTail)
		return function, false, ok
	}
	if rest, found := strings.CutPrefix(path, streamingHead); found {
		function, ok = strings.CutSuffix(rest, streamingTail)
		return function, true, ok
	}
	return "", false, false
}

// String is the integration URI.
func (i Invocation) String() string {
	head, tail := invocationHead, invocationTail
	if i.Streaming {
		head, tail = streamingHead, streamingTail
	}
	return "arn:" + partitionOr(i.Function.Partition, i.Region) + ":apigateway:" + i.Region + ":lambda:" + head + i.Function.String() + tail
}
