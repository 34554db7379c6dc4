package policy

import "strings"

// Request is what policies are asked about.
type Request struct {
	Action    string // execute-api:Invoke
	Resource  string // arn:aws:execute-api:{region}:{account}:{api}/{stage}/{verb}/{path}
	Principal Principal
	Context   Context
}

// Principal is the caller. The zero Principal is anonymous, whom only "*" names.
type Principal struct {
	ARN           string // of a user, a role's session, a federated user or the account's root
	Role          string // ARN of the role that a session assumed, when ARN is that of a session
	Service       string // apigateway.amazonaws.com, when a service calls
	Federated     string // the identity provider, when a web identity calls
	CanonicalUser string
}

// account is the account of the caller, empty when the ARN has none.
func (p *Principal) account() string { return accountOf(p.ARN) }

// accountOf is the fifth part of an ARN.
func accountOf(arn string) string {
	for range 4 {
		_, rest, ok := strings.Cut(arn, ":")
		if !ok {
			return ""
		}
		arn = rest
	}
	account, _, _ := strings.Cut(arn, ":")
	return account
}

// Context is the condition keys of a request and their values. Keys are compared without case. The zero Context is empty and
// ready to use; it is not safe for concurrent writing.
type Context struct {
	entries []entry
}

type entry struct {
	key    string // lower case
	values []string
}

// Set gives a key its values; without values the key is absent.
func (c *Context) Set(key string, values ...string) {
	key = strings.ToLower(key)
	for i := range c.entries {
		if c.entries[i].key == key {
			c.entries[i].values = values
			return
		}
	}
	c.entries = append(c.entries, entry{key, values})
}

// Values are those of a key; none when it is absent.
func (c *Context) Values(key string) []string {
	values, _ := c.lookup(strings.ToLower(key))
	return values
}

// Reset empties the context and keeps its memory for the next request.
func (c *Context) Reset() { c.entries = c.entries[:0] }

// lookup takes a key in lower case.
func (c *Context) lookup(key string) ([]string, bool) {
	for i := range c.entries {
		if c.entries[i].key == key {
			return c.entries[i].values, len(c.entries[i].values) > 0
		}
	}
	return nil, false
}

// single is the value of a key that has exactly one; variables take no others.
func (c *Context) single(key string) (string, bool) {
	values, _ := c.lookup(key)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}
