package mapping

import (
	"strings"
	"testing"

	"github.com/limen-gateway/limen/core/jsonpath"
)

// FuzzDocument: a document that a template's lists and maps keep gives every path the result that the text gives it.
func FuzzDocument(f *testing.F) {
	for _, body := range []string{`{"a":[1,2.50,{"b":null}],"c":"x"}`, `[[],{},"",0.1234567890123456789,1e400,-0]`, `{"a":1,"b":2,"a":{"c":[0.5,-0.0,12345678.5]}}`, `{"a":{"a":123456789012345e99}} `, `a=b`, ``, `"\ud83d\ude00"`} {
		for _, path := range []string{"$", "$.a[*]", "$..b", "$.a[?(@.b)]", "$['a','c']", "$.a.length()"} {
			f.Add(body, path)
		}
	}
	f.Fuzz(func(t *testing.T, body, path string) {
		d, known := &document{text: orEmpty(body)}, &paths{}
		compact, isCompact := d.compact()
		whole, err := jsonpath.ParseJSON(d.text)
		if err != nil {
			whole = jsonpath.StringValue(strings.TrimSpace(d.text))
		}
		for _, x := range []string{path, "$", path} {
			var want string
			if p, err := known.compile(x); err != nil {
				want = err.Error()
			} else if v, err := p.Eval(whole); err != nil && !strings.Contains(err.Error(), "nothing at") {
				want = err.Error()
			} else {
				want = text(v)
			}
			got, err := d.find(known, x)
			if err != nil && err.Error() != want || err == nil && text(got) != want {
				t.Errorf("%s of %s: %s %v, want %s", x, body, text(got), err, want)
			}
		}
		if want := text(whole); isCompact && compact != want {
			t.Errorf("the compact text of %s is %s, want %s", body, compact, want)
		}
	})
}

func text(v jsonpath.Value) string { return string(v.AppendJSON(nil, jsonpath.Plain)) }
