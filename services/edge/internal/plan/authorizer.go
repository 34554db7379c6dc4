package plan

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/mapping"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// compileAuthorizers compiles the Lambda authorizers of a content by id. Others are not served yet; methods that name them
// refuse all calls.
func compileAuthorizers(list []*apigatewayv1.Authorizer) (map[string]*exchange.Authorizer, error) {
	out := map[string]*exchange.Authorizer{}
	for _, a := range list {
		if a.GetType() != "TOKEN" && a.GetType() != "REQUEST" {
			continue
		}
		compiled, err := compileAuthorizer(a)
		if err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", a.GetName(), err)
		}
		out[a.GetId()] = compiled
	}
	return out, nil
}

func compileAuthorizer(a *apigatewayv1.Authorizer) (*exchange.Authorizer, error) {
	definition, err := proto.MarshalOptions{Deterministic: true}.Marshal(a)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(definition)
	out := &exchange.Authorizer{ID: a.GetId(), Token: a.GetType() == "TOKEN", Definition: a, Hash: hash[:],
		Keeps: a.AuthorizerResultTtlInSeconds == nil || a.GetAuthorizerResultTtlInSeconds() > 0}
	out.URI = mapping.ParseURI(a.GetAuthorizerUri())
	for _, text := range strings.Split(a.GetIdentitySource(), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		source, err := expression.Parse(expression.Request, text)
		if err != nil {
			return nil, fmt.Errorf("identitySource: %w", err)
		}
		out.Identity, out.Expressions = append(out.Identity, source), append(out.Expressions, text)
	}
	if out.Token && len(out.Identity) != 1 {
		return nil, fmt.Errorf("identitySource: a TOKEN authorizer has exactly one")
	}
	if text := a.GetIdentityValidationExpression(); text != "" && out.Token {
		// Java matches the whole token (spec/rest.md 3.2).
		if out.Validation, err = regexp.Compile("^(?:" + text + ")$"); err != nil {
			return nil, fmt.Errorf("identityValidationExpression: %w", err)
		}
		out.ValidationText = text
	}
	return out, nil
}
