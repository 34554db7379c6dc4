package schema

import (
	"regexp"

	"github.com/limen-gateway/limen/core/regex"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compilePattern compiles a regular expression of ECMA 262. Most run on Go's engine, whose time is linear; what only a
// backtracking engine knows, look-ahead above all, runs on one that gives up.
func compilePattern(source string) (jsonschema.Regexp, error) {
	if re, err := regexp.Compile(source); err == nil {
		return re, nil
	}
	re, err := regex.CompileECMA(source)
	if err != nil {
		return nil, err
	}
	return backtracking{re, source}, nil
}

// maxPatternSteps is how many steps one match may take.
const maxPatternSteps = 1 << 20

// backtracking is a pattern of the backtracking engine. A match that takes too long counts as none: the body is refused.
type backtracking struct {
	re     *regex.Regex
	source string
}

func (b backtracking) MatchString(s string) bool {
	steps := int64(maxPatternSteps)
	ok, err := b.re.Matcher(s, &steps).Find(0)
	return ok && err == nil
}

func (b backtracking) String() string { return b.source }
