package vtl

import (
	"errors"
	"testing"
)

// seeds are the templates of the vectors: every few, to keep the start of a run short.
func seeds(f *testing.F) {
	for i, x := range vectors(f, "cases.jsonl") {
		if i%7 == 0 {
			f.Add(x.Template)
		}
	}
	for i, x := range vectors(f, "reference.jsonl") {
		if i%11 == 0 {
			f.Add(x.Template)
		}
	}
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := CompileText(text, Options{})
		checkError(t, err)
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Message == "" {
		t.Errorf("the error %v has no place or no message", err)
	}
}

// FuzzRender renders twice, and with a trace: the outputs are the same, and each span lies within the output.
func FuzzRender(f *testing.F) {
	seeds(f)
	limits := Limits{Steps: 50_000, Output: 1 << 16, RegexSteps: 20_000}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := CompileText(text, Options{})
		if err != nil {
			return
		}
		x := vector{Body: generatedBody}
		first, err := p.Render(x.variables(p.Uses), limits, nil)
		checkError(t, err)
		second, again := p.Render(x.variables(p.Uses), limits, func(e Event) {
			if e.Line < 1 || e.Column < 1 || e.Start < 0 || e.End < e.Start {
				t.Errorf("the event %+v has no place or no span", e)
			}
		})
		checkError(t, again)
		if err == nil && again == nil && string(first) != string(second) {
			t.Errorf("got %q with a trace, %q without", second, first)
		}
		if len(first) > limits.Output {
			t.Errorf("%d bytes of output", len(first))
		}
	})
}
