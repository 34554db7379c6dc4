package integration

import (
	"context"
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// Mock takes the status from the request template's result, which selects the integration response (spec/rest.md 4.8).
func (c *Caller) Mock(_ context.Context, x *exchange.Exchange) error {
	text := strings.TrimSpace(exchange.View(x.Payload))
	if text == "" {
		x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.MockAnswered, 0)
		return nil // the default integration response
	}
	status, reason := mockStatus(text)
	if reason != "" {
		x.Record.Add(executionlog.PhaseIntegration, executionlog.MockStatus, reason)
		return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
	}
	x.Backend.Status, _ = strconv.Atoi(status)
	x.Backend.Subject = status
	x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.MockAnswered, int64(x.Backend.Status))
	return nil
}

// mockStatus finds the integer member statusCode at the top of a JSON-ish object: the parser is lenient and takes
// {statusCode: 200}. reason says what is wrong.
func mockStatus(text string) (status, reason string) {
	if text[0] != '{' {
		return "", "it yields no object"
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == '"' || c == '\'':
			end := closing(text, i)
			if end < 0 {
				return "", "its result is not valid JSON"
			}
			if depth == 1 && text[i+1:end] == "statusCode" && followed(text[end+1:]) {
				return integer(text[end+1:])
			}
			i = end
		case depth == 1 && strings.HasPrefix(text[i:], "statusCode") && followed(text[i+len("statusCode"):]):
			return integer(text[i+len("statusCode"):])
		}
	}
	return "", "its result has no statusCode"
}

func closing(text string, i int) int {
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case text[i]:
			return j
		}
	}
	return -1
}

func followed(rest string) bool { return strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), ":") }

func integer(rest string) (status, reason string) {
	rest = strings.TrimLeft(strings.TrimLeft(rest, " \t\r\n")[1:], " \t\r\n")
	end := strings.IndexAny(rest, ",}")
	if end < 0 {
		end = len(rest)
	}
	value := strings.Trim(rest[:end], " \t\r\n")
	if unquoted := strings.Trim(value, `"`); len(unquoted) == len(value)-2 {
		value = unquoted
	}
	if len(value) != 3 || strings.Trim(value, "0123456789") != "" {
		return "", "statusCode is " + value
	}
	return value, ""
}
