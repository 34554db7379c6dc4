// Package snapshot knows what is published: the frozen content of a deployment and the live settings of a stage. Check
// reports every problem that keeps a content from being served, and every member an API uses that is not enforced yet
// (planned.go), so that nothing is ignored in silence.
package snapshot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/mapping"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// Problem keeps a deployment from being made. Text is AWS's where AWS has one.
type Problem struct {
	// Where names the method, "GET /pets", or the route key, or is empty for the API as a whole.
	Where string
	Text  string
}

func (p Problem) String() string {
	if p.Where == "" {
		return p.Text
	}
	return p.Where + ": " + p.Text
}

// Texts of AWS. spec/control-plane.md 4.5.
const (
	noMethods     = "The REST API doesn't contain any methods"
	noIntegration = "No integration defined for method"
	noPolicy      = "Private REST API doesn't have a resource policy attached to it"
)

// Check finds all problems of a content, in the order of its resources or routes.
func Check(d *snapshotv1.Deployment) []Problem {
	if d.Api != nil {
		return checkAPI(d)
	}
	var out []Problem
	methods, validation := 0, NewValidation(d)
	each(d, func(where string, m *apigatewayv1.Method) {
		methods++
		out = append(append(out, checkMethod(where, m)...), validation.check(where, m)...)
	})
	if methods == 0 {
		out = append(out, Problem{Text: noMethods})
	}
	if isPrivate(d.RestApi) && d.RestApi.GetPolicy() == "" {
		out = append(out, Problem{Text: noPolicy})
	}
	return out
}

// Message is the text of a refusal: AWS's text first, where it has one, then each problem on its line with its place.
func Message(problems []Problem) string {
	var lines []string
	if first := problems[0]; first.Where == "" || first.Text == noIntegration {
		lines = append(lines, first.Text)
	}
	for _, p := range problems {
		if p.Where != "" || len(lines) == 0 || p.Text != lines[0] {
			lines = append(lines, p.String())
		}
	}
	return strings.Join(lines, "\n")
}

// each calls fn for every method, by path and verb.
func each(d *snapshotv1.Deployment, fn func(where string, m *apigatewayv1.Method)) {
	for _, r := range d.Resources {
		methods := r.ResourceMethods.GetEntries()
		for _, verb := range slices.Sorted(maps.Keys(methods)) {
			fn(verb+" "+r.GetPath(), methods[verb])
		}
	}
}

func checkMethod(where string, m *apigatewayv1.Method) []Problem {
	i := m.MethodIntegration
	if i == nil {
		return []Problem{{where, noIntegration}}
	}
	out := checkTemplates(where, "requestTemplates", i.RequestTemplates)
	responses := i.IntegrationResponses.GetEntries()
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		out = append(out, checkTemplates(where, "responseTemplates of "+status, responses[status].ResponseTemplates)...)
		out = append(out, checkSources(where, "responseParameters of "+status, expression.Response, responses[status].ResponseParameters)...)
	}
	return append(out, checkSources(where, "requestParameters", expression.Request, i.RequestParameters)...)
}

// checkTemplates finds templates that do not compile; whether one does depends on no request (spec/vtl.md 8). AWS lets them be
// deployed, and every call fails.
func checkTemplates(where, member string, templates *apigatewayv1.StringMap) []Problem {
	var out []Problem
	for _, key := range slices.Sorted(maps.Keys(templates.GetEntries())) {
		_, err := mapping.Compile(key, templates.Entries[key])
		var e *mapping.Error
		if errors.As(err, &e) {
			out = append(out, Problem{where, fmt.Sprintf("%s for %s at %d:%d: %s", member, key, e.Line, e.Column, e.Message)})
		}
	}
	return out
}

// checkSources finds sources that are none, such as a path into a body that cannot be read.
func checkSources(where, member string, side expression.Side, parameters *apigatewayv1.StringMap) []Problem {
	var out []Problem
	for _, key := range slices.Sorted(maps.Keys(parameters.GetEntries())) {
		if _, err := expression.Parse(side, parameters.Entries[key]); err != nil {
			out = append(out, Problem{where, fmt.Sprintf("%s %s: %v", member, key, err)})
		}
	}
	return out
}

func isPrivate(api *apigatewayv1.RestApi) bool {
	return slices.Contains(api.GetEndpointConfiguration().GetTypes().GetItems(), "PRIVATE")
}
