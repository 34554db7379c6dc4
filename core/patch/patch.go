// Package patch applies the patch operations of the REST control plane: a list of {op, path, value, from} against a noun,
// by the rules of that noun. The rules stand here as tables, one file per noun; AWS's wording of refusals differs by family
// (spec/control-plane.md section 6). It knows nothing of storage: callers hand in a copy and store it when all
// operations passed. The surprise: any value but "true" is false, and a missing value means null.
package patch

import (
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// Op is one operation with its path split into unescaped tokens.
type Op struct {
	Op     string
	Path   string
	Tokens []string
	// Value is nil when the request has none.
	Value *string
	From  string
}

// Text is the value, or "".
func (o Op) Text() string {
	if o.Value == nil {
		return ""
	}
	return *o.Value
}

// Last is the final token: the key of a map member.
func (o Op) Last() string { return o.Tokens[len(o.Tokens)-1] }

// family is how a noun words its refusals.
type family int

const (
	// plain: RestApi, Method, MethodResponse, GatewayResponse, Integration …
	plain family = iota
	// listed: ApiKey, Resource, Model, RequestValidator, DocumentationPart.
	listed
)

// rule is one patchable path. Path tokens in braces match any token; ops holds the words allowed.
type rule[T any] struct {
	path  string
	ops   []string
	apply func(noun T, op Op) *fault.Error
}

// Rules is what may be patched of a noun. It is immutable.
type Rules[T any] struct {
	family family
	rules  []rule[T]
	// otherwise, when set, gets every operation that no rule's path matches.
	otherwise func(noun T, op Op) *fault.Error
}

var (
	replace          = []string{"replace"}
	addReplaceRemove = []string{"add", "replace", "remove"}
	addRemove        = []string{"add", "remove"}
)

// Apply runs the operations in order on the noun, which is left half changed when one is refused.
func (r *Rules[T]) Apply(noun T, operations *apigatewayv1.PatchOperationList) *fault.Error {
	for _, p := range operations.GetItems() {
		op := Op{Op: p.GetOp(), Path: p.GetPath(), Value: p.Value, From: p.GetFrom()}
		if p.Path == nil {
			op.Path = "null"
		}
		op.Tokens = split(op.Path)
		if err := r.one(noun, op); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rules[T]) one(noun T, op Op) *fault.Error {
	for _, rule := range r.rules {
		if !matches(split(rule.path), op.Tokens) {
			continue
		}
		if !slices.Contains(rule.ops, op.Op) {
			return r.wrongOp(op, rule.ops)
		}
		return rule.apply(noun, op)
	}
	if r.otherwise != nil {
		return r.otherwise(noun, op)
	}
	return r.unknownPath(op)
}

// split takes a JSON Pointer apart: ~1 is a slash and ~0 a tilde within a token.
func split(path string) []string {
	tokens := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, t := range tokens {
		tokens[i] = Unescape(t)
	}
	return tokens
}

// Unescape undoes the escapes of a JSON Pointer token.
func Unescape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// matches compares a rule's path with tokens; a token in braces matches all but the empty one.
func matches(path, tokens []string) bool {
	if len(path) != len(tokens) {
		return false
	}
	for i, p := range path {
		if strings.HasPrefix(p, "{") && tokens[i] != "" {
			continue
		}
		if p != tokens[i] {
			return false
		}
	}
	return true
}

func (r *Rules[T]) wrongOp(op Op, allowed []string) *fault.Error {
	if r.family == listed {
		return r.unknownPath(op)
	}
	return fault.BadRequest("Invalid patch operation specified. Must be one of: [%s]", strings.Join(allowed, ", "))
}

func (r *Rules[T]) unknownPath(op Op) *fault.Error {
	if r.family == plain {
		return fault.BadRequest("Invalid patch path %s", op.Path)
	}
	if op.Op != "replace" {
		return fault.BadRequest("Invalid patch path  '%s' specified for op '%s'. Please choose supported operations", op.Path, op.Op)
	}
	var paths []string
	for _, rule := range r.rules {
		if slices.Contains(rule.ops, "replace") {
			paths = append(paths, rule.path)
		}
	}
	return fault.BadRequest("Invalid patch path  '%s' specified for op 'replace'. Must be one of: [%s]", op.Path, strings.Join(paths, ", "))
}
