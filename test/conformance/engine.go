package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// engines are the packages that own a language, by the area of its cases. Their tests judge the cases without steps: what
// they look at is inside these packages. A case that two of them judge passes when both say so.
var engines = map[string][]string{
	"iam-policy":         {"core/policy"},
	"json-schema-draft4": {"core/schema"},
	"jsonpath":           {"core/jsonpath"},
	"mapping":            {"core/mapping"},
	"sigv4":              {"core/sigv4"},
	"vtl":                {"core/vtl", "core/mapping"},
}

const module = "github.com/limen-gateway/limen/"

// Verdicts are what the engines found.
type Verdicts struct {
	cases map[string]Result
	// broken are the packages whose tests did not come to their end, and what they said.
	broken map[string]string
}

// AskEngines runs the tests of the packages that judge areas of the folder dir. root is the folder of the product's module.
func AskEngines(ctx context.Context, root, dir string, areas []Area) (Verdicts, error) {
	args := []string{"test", "-json", "-count=1", "-run", "^TestConformance$"}
	asked := len(args)
	for _, a := range areas {
		for _, e := range engines[a.Name] {
			args = append(args, "./"+e)
		}
	}
	if len(args) == asked {
		return Verdicts{}, nil
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off", "LIMEN_CONFORMANCE="+dir)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) { // it exits with 1 when a case fails
		return Verdicts{}, err
	}
	v, err := readVerdicts(bytes.NewReader(out))
	if err != nil {
		return Verdicts{}, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, &complaint)
	}
	return v, nil
}

// event is a line of what `go test -json` prints.
type event struct{ Action, Package, ImportPath, Test, Output string }

// readVerdicts reads what a run of tests prints.
func readVerdicts(from io.Reader) (Verdicts, error) {
	v := Verdicts{cases: map[string]Result{}, broken: map[string]string{}}
	said, ended := map[[2]string]string{}, map[string]bool{}
	for d := json.NewDecoder(from); ; {
		var e event
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			return Verdicts{}, err
		}
		where := [2]string{e.Package, e.Test}
		name, isCase := strings.CutPrefix(e.Test, "TestConformance/")
		switch e.Action {
		case "output":
			said[where] += e.Output
		case "build-output":
			of, _, _ := strings.Cut(e.ImportPath, " ")
			said[[2]string{of}] += e.Output
		case "pass", "fail", "skip":
			switch {
			case isCase:
				v.add(name, e.Action, oneLine(framing.ReplaceAllString(said[where], "")))
			case e.Test != "":
				ended[e.Package] = true
			case !ended[e.Package]:
				v.broken[strings.TrimPrefix(e.Package, module)] = oneLine(said[where])
			}
		}
	}
	if len(v.cases)+len(v.broken)+len(ended) == 0 {
		return Verdicts{}, errors.New("no test was run")
	}
	return v, nil
}

// framing is what the test tool writes round what a test says, and the place in its source.
var framing = regexp.MustCompile(`(?m)^(=== .*|\s*--- .*)\n|^\s*\w+\.go:\d+: `)

func (v Verdicts) add(name, action, reason string) {
	verdict := map[string]Verdict{"pass": Passed, "fail": Failed, "skip": Skipped}[action]
	if v.cases[name].Verdict == Passed {
		v.cases[name] = Result{Name: name, Verdict: verdict, Reason: reason}
	}
}

// of is the verdict on a case; one that no engine has judged has failed.
func (v Verdicts) of(name string) (Verdict, string) {
	if r, judged := v.cases[name]; judged {
		return r.Verdict, r.Reason
	}
	return Failed, "the case has no steps, and no engine has judged it"
}

// failures are the engines of an area that broke off.
func (v Verdicts) failures(area string) (out []Result) {
	for _, e := range engines[area] {
		if why, broken := v.broken[e]; broken {
			out = append(out, Result{area, area + "/" + e, Failed, "the tests broke off: " + why})
		}
	}
	return out
}
