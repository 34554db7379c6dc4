package apigatewayv2

import (
	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/fault"
)

// checkSelection checks an expression by the compiler that the data plane uses. spec/websocket.md 6.
func checkSelection(member, text string, compile func(string) (expression.Selection, error)) error {
	if _, err := compile(text); err != nil {
		return fault.BadRequest("Invalid %s specified: %s", member, text)
	}
	return nil
}
