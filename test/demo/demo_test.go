// Package demo runs the scenario against `limen dev` and prints each step with its answer: `make demo`.
package demo

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/test/harness"
	"github.com/limen-gateway/limen/test/scenario"
)

func TestDemo(t *testing.T) {
	backend := httptest.NewServer(scenario.Echo())
	defer backend.Close()
	l := harness.Start(t, harness.Options{})
	say("limen dev is ready after %d ms at %s", l.ReadyAfter.Milliseconds(), l.URL)
	n := 0
	err := scenario.Run(t.Context(), targetOf(t, l, backend.URL), func(step scenario.Step, answer string, err error) {
		n++
		say("%2d. %s", n, step.Name)
		if err != nil {
			answer = "FAILED: " + err.Error()
		}
		say("      %s", answer)
	})
	if err != nil {
		t.Fatal(err)
	}
	say("demo: %d of %d steps passed", n, len(scenario.Steps()))
}

func targetOf(t *testing.T, l *harness.Limen, backend string) scenario.Target {
	env := []string{"AWS_ENDPOINT_URL=" + l.URL, "AWS_ACCESS_KEY_ID=" + l.Keys[0].AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + l.Keys[0].SecretAccessKey, "AWS_DEFAULT_REGION=" + l.Region}
	return scenario.Target{
		Control: l.URL, Data: l.URL, Region: l.Region, Key: scenario.Key(l.Keys[0]), Other: scenario.Key(l.Keys[1]), Backend: backend,
		Command: func(_ context.Context, args ...string) (string, error) {
			out, errs, code := harness.Run(t, env, args...)
			if code != 0 {
				return "", fmt.Errorf("limen %s ended with %d: %s", strings.Join(args, " "), code, errs)
			}
			return out, nil
		},
		Restart: func(context.Context) error {
			l.Kill()
			l.Restart()
			return nil
		},
	}
}

// say prints past the testing package, which would hide it from a run that passes.
func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }
