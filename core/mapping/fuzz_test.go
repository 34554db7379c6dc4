package mapping

import (
	"testing"

	"github.com/limen-gateway/limen/core/jsonpath"
)

// FuzzDocument: what a template takes out of a document, and puts nothing into, leaves every path with the result it had.
func FuzzDocument(f *testing.F) {
	for _, body := range []string{`{"a":[1,2.50,{"b":null}],"c":"x"}`, `[[],{},"",0.1234567890123456789,1e400,-0]`, `a=b`, ``, `"\ud83d\ude00"`} {
		for _, path := range []string{"$", "$.a[*]", "$..b", "$.a[?(@.b)]", "$['a','c']", "$.a.length()"} {
			f.Add(body, path)
		}
	}
	f.Fuzz(func(t *testing.T, body, path string) {
		d, known := &document{text: orEmpty(body)}, &paths{}
		whole, err := d.find(known, "$")
		if err != nil {
			t.Fatal(err)
		}
		before, text := find(d, known, path), whole.String()
		borrow(&d.room, whole)
		if after := find(d, known, path); after != before {
			t.Errorf("%s of %s: %s, and when it is lent %s", path, body, before, after)
		}
		if again, err := d.find(known, "$"); err != nil || again.String() != text {
			t.Errorf("%s became %s", text, again)
		}
	})
}

func find(d *document, known *paths, path string) string {
	v, err := d.find(known, path)
	if err != nil {
		return err.Error()
	}
	return string(v.AppendJSON(nil, jsonpath.Plain))
}
