package schema

import (
	"regexp"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compilePattern compiles a regular expression of ECMA 262. Most run on Go's engine, whose time is linear; what only a
// backtracking engine knows, look-ahead above all, runs on one that gives up.
func compilePattern(source string) (jsonschema.Regexp, error) {
	if re, err := regexp.Compile(source); err == nil {
		return re, nil
	}
	re, err := regexp2.Compile(source, regexp2.ECMAScript)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = patience
	return backtracking{re}, nil
}

// patience is how long a backtracking match may take. The engine counts no steps, so it has to be a time.
const patience = 100 * time.Millisecond

// backtracking is a pattern of the backtracking engine. A match that takes too long counts as none: the body is refused.
type backtracking struct{ *regexp2.Regexp }

func (b backtracking) MatchString(s string) bool {
	ok, err := b.Regexp.MatchString(s)
	return ok && err == nil
}
