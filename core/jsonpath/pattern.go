package jsonpath

import "github.com/limen-gateway/limen/core/regex"

// patternFlags are the letters of Java's flags that may follow /pattern/.
const patternFlags = "idmsuxU"

// stepsOfPattern is how many steps of a match cost as much as visiting a value.
const stepsOfPattern = 4

// pattern is a Java regular expression that must match a whole string.
type pattern struct{ re *regex.Regex }

// compilePattern returns a message if the pattern does not compile.
func compilePattern(source, flags string) (*pattern, string) {
	if flags != "" {
		source = "(?" + flags + ")" + source
	}
	re, err := regex.Compile(source)
	if err != nil {
		return nil, "pattern: " + err.Error()
	}
	return &pattern{re}, ""
}

// matches takes its cost from the budget. A match that takes more than there is uses up all of it.
func (p *pattern) matches(input string, b *budget) bool {
	if b.spend(1); *b < 0 {
		return false
	}
	left := int64(*b) * stepsOfPattern
	ok, err := p.re.Matcher(input, &left).Matches()
	*b = budget(left / stepsOfPattern)
	if err != nil {
		*b = -1
	}
	return ok && err == nil
}
