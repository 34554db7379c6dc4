package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/vtl"
)

func vtlCommand() *cobra.Command {
	c := &cobra.Command{Use: "vtl", Short: "Run and test mapping templates, without a server"}
	c.AddCommand(vtlRunCommand(), vtlTestCommand())
	return c
}

func vtlRunCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run TEMPLATE",
		Short: "Render a mapping template",
		Long: "Render a mapping template. TEMPLATE is a file, - stands for the standard input. What the template sees is given by\n" +
			"--input, a file as limen vtl test has it, and by the other flags, which come over it. Overrides that the template\n" +
			"sets are written to the standard error.",
		Example: "limen vtl run order.vtl --body '{\"id\":1}' --query lang=en --context identity.sourceIp=192.0.2.1 --trace",
		Args:    cobra.ExactArgs(1),
	}
	given := inputFlags(c)
	trace := c.Flags().Bool("trace", false, "tell on the standard error what each directive and reference saw")
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := readFile(c, args[0])
		if err != nil {
			return err
		}
		in, err := given()
		if err != nil {
			return err
		}
		var tell vtl.Trace
		if *trace {
			tell = func(e vtl.Event) { fmt.Fprintln(c.ErrOrStderr(), eventLine(e)) }
		}
		out, state, err := renderTemplate(text, in, tell)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		for _, line := range overrides(state) {
			fmt.Fprintln(c.ErrOrStderr(), line)
		}
		_, err = c.OutOrStdout().Write(out)
		return err
	}
	return c
}

// inputFlags adds the flags that say what a template sees.
func inputFlags(c *cobra.Command) (input func() (*templateInput, error)) {
	file := c.Flags().String("input", "", "file that says what the template sees: body, path, querystring, headers, stageVariables, context")
	body := c.Flags().String("body", "", "the body; @FILE reads a file")
	sets := []struct {
		flag string
		put  func(*templateInput, string, string)
		of   *[]string
	}{
		{flag: "path", put: func(in *templateInput, k, v string) { add(&in.PathParameters, k, v) }},
		{flag: "query", put: func(in *templateInput, k, v string) { add(&in.QueryString, k, v) }},
		{flag: "header", put: func(in *templateInput, k, v string) { add(&in.Headers, k, v) }},
		{flag: "stage-variable", put: func(in *templateInput, k, v string) { put(&in.Variables, k, v) }},
		{flag: "context", put: func(in *templateInput, k, v string) { putDotted(&in.ContextTree, k, v) }},
	}
	for i := range sets {
		sets[i].of = c.Flags().StringArray(sets[i].flag, nil, "name=value; may be given several times")
	}
	return func() (*templateInput, error) {
		in := &templateInput{}
		if *file != "" {
			text, err := os.ReadFile(*file)
			if err != nil {
				return nil, err
			}
			if in, err = parseTemplateInput(text); err != nil {
				return nil, fmt.Errorf("%s: %w", *file, err)
			}
		}
		if c.Flags().Changed("body") {
			in.body = *body
			if name, ok := strings.CutPrefix(*body, "@"); ok {
				text, err := readFile(c, name)
				if err != nil {
					return nil, err
				}
				in.body = string(text)
			}
		}
		for _, set := range sets {
			for _, pair := range *set.of {
				name, value, ok := strings.Cut(pair, "=")
				if !ok {
					return nil, fmt.Errorf("flag --%s: must be name=value, not %q", set.flag, pair)
				}
				set.put(in, name, value)
			}
		}
		return in, nil
	}
}

func put[V any](m *map[string]V, name string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = value
}

func add(m *map[string]texts, name, value string) { put(m, name, append((*m)[name], value)) }

// putDotted puts identity.sourceIp below identity.
func putDotted(m *map[string]any, path, value string) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		put[any](m, name, value)
		return
	}
	child, _ := (*m)[name].(map[string]any)
	putDotted(&child, rest, value)
	put[any](m, name, child)
}

// readFile reads a file, or the standard input for "-".
func readFile(c *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(c.InOrStdin())
	}
	return os.ReadFile(name)
}

func renderTemplate(text []byte, in *templateInput, trace vtl.Trace) ([]byte, *mapping.State, error) {
	t, err := mapping.Compile("application/json", string(text))
	if err != nil {
		return nil, nil, err
	}
	state := &mapping.State{}
	out, err := t.Trace(in, in.body, state, trace)
	return out, state, err
}

// mostShown is how much of a value a line of a trace shows.
const mostShown = 200

// eventLine is one line of a trace: place, what it is, and what it saw.
func eventLine(e vtl.Event) string {
	value := string(vtl.AppendJSON(nil, e.Value))
	if len(value) > mostShown {
		value = strings.ToValidUTF8(value[:mostShown], "") + "…"
	}
	switch e.Directive {
	case "reference":
		return fmt.Sprintf("%d:%d %s is %s", e.Line, e.Column, e.Name, value)
	case "set":
		return fmt.Sprintf("%d:%d #set %s = %s", e.Line, e.Column, e.Name, value)
	case "if":
		if e.Branch < 0 {
			return fmt.Sprintf("%d:%d #if: no condition held", e.Line, e.Column)
		}
		return fmt.Sprintf("%d:%d #if: branch %d was taken", e.Line, e.Column, e.Branch+1)
	case "foreach":
		cut := ""
		if e.Cut {
			cut = ", cut short by the limit"
		}
		return fmt.Sprintf("%d:%d #foreach %s in %s: %d times%s", e.Line, e.Column, e.Name, value, e.Iterations, cut)
	}
	return strings.TrimSuffix(fmt.Sprintf("%d:%d #%s %s", e.Line, e.Column, strings.TrimPrefix(e.Directive, "#"), e.Name), " ")
}

// overrides tells what a template has set beside its text.
func overrides(s *mapping.State) []string {
	var out []string
	tell := func(where string, list []mapping.Override) {
		for i := range list {
			out = append(out, fmt.Sprintf("override: %s %s = %s", where, list[i].Name, list[i].Joined()))
		}
	}
	request := s.Request()
	tell("request path", request.Path)
	tell("request querystring", request.Query)
	tell("request header", request.Header)
	tell("response header", s.ResponseHeaders())
	if status, ok := s.Status(); ok {
		out = append(out, fmt.Sprintf("override: response status = %d", status))
	}
	return out
}

func vtlTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test DIR",
		Short: "Compare what templates render with what they should",
		Long: "Compare what templates render with what they should. Every NAME.vtl below DIR is rendered with NAME.input.json, when\n" +
			"that is there, and compared with NAME.expected: byte for byte, but for space around the whole. The input is a JSON\n" +
			"object with body (a text, or any JSON), path, querystring, headers, stageVariables and context.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return testTemplates(c.OutOrStdout(), args[0]) },
	}
}

// testTemplates runs the cases below a folder. It fails when one does, and when there is none.
func testTemplates(w io.Writer, dir string) error {
	passed, failed := 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".vtl" {
			return err
		}
		if err := testTemplate(strings.TrimSuffix(path, ".vtl")); err != nil {
			failed++
			fmt.Fprintf(w, "FAIL %s: %v\n", path, err)
			return nil
		}
		passed++
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "vtl: %d passed, %d failed\n", passed, failed)
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d templates failed", failed, passed+failed)
	case passed == 0:
		return fmt.Errorf("no file named *.vtl below %s", dir)
	}
	return nil
}

func testTemplate(name string) error {
	text, err := os.ReadFile(name + ".vtl")
	if err != nil {
		return err
	}
	want, err := os.ReadFile(name + ".expected")
	if err != nil {
		return err
	}
	in := &templateInput{}
	switch given, err := os.ReadFile(name + ".input.json"); {
	case err == nil:
		if in, err = parseTemplateInput(given); err != nil {
			return fmt.Errorf("%s.input.json: %w", filepath.Base(name), err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	out, _, err := renderTemplate(text, in, nil)
	if err != nil {
		return err
	}
	return compareTexts(strings.TrimSpace(string(out)), strings.TrimSpace(string(want)))
}

// compareTexts names the first line that differs.
func compareTexts(got, want string) error {
	if got == want {
		return nil
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) {
			return fmt.Errorf("line %d is missing: %q", i+1, w[i])
		}
		if i >= len(w) {
			return fmt.Errorf("line %d is too much: %q", i+1, g[i])
		}
		if g[i] != w[i] {
			return fmt.Errorf("line %d is %q, want %q", i+1, g[i], w[i])
		}
	}
	return nil
}
