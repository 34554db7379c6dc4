package policy

import (
	"encoding/json"
	"strings"
)

// API is the API that the shorthand of a resource policy stands for.
type API struct {
	Partition string // aws when empty
	Region    string
	Account   string
	ID        string
}

// shorthand begins a resource that its API completes.
const shorthand = "execute-api:/"

// Expand is the text of the document with the shorthand execute-api:/{stage}/{verb}/{path} written out as the ARN of the API,
// which is the form in which a resource policy is stored (spec/rest.md 3.8). Everything else stays as it was written.
func (d *Document) Expand(api API) string {
	partition := api.Partition
	if partition == "" {
		partition = "aws"
	}
	prefix := "arn:" + partition + ":execute-api:" + api.Region + ":" + api.Account + ":" + api.ID + "/"
	var b strings.Builder
	at := 0
	for _, n := range d.resources {
		path, ok := strings.CutPrefix(n.text, shorthand)
		if !ok {
			continue
		}
		b.WriteString(d.text[at:n.from])
		b.WriteString(quote(prefix + path))
		at = n.to
	}
	b.WriteString(d.text[at:])
	return b.String()
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a JSON form
	return strings.TrimSuffix(b.String(), "\n")
}
