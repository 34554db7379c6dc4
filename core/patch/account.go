package patch

import (
	"regexp"
	"slices"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type account = *apigatewayv1.Account

// usagePlans is the only feature that an account can have.
const usagePlans = "UsagePlans"

var roleARN = regexp.MustCompile(`^arn:[^:]+:iam::\d{12}:role/.+$`)

// Account holds the rules of UpdateAccount. spec/control-plane.md 6.2.
var Account = &Rules[account]{rules: []rule[account]{
	{"/cloudwatchRoleArn", replace, func(a account, op Op) *fault.Error {
		a.CloudwatchRoleArn = nil // Terraform clears the role with a replace that carries no value
		if op.Text() == "" {
			return nil
		}
		if !roleARN.MatchString(op.Text()) {
			return fault.BadRequest("Invalid ARN. ARN is not well formed %s", op.Text())
		}
		a.CloudwatchRoleArn = op.Value
		return nil
	}},
	{"/features", addRemove, func(a account, op Op) *fault.Error {
		if op.Text() != usagePlans {
			return fault.BadRequest("Invalid feature specified. Valid options are %s", usagePlans)
		}
		if op.Op == "remove" {
			return fault.BadRequest("Usage Plans cannot be disabled once enabled")
		}
		if !slices.Contains(a.Features.GetItems(), usagePlans) {
			a.Features = &apigatewayv1.StringList{Items: append(slices.Clone(a.Features.GetItems()), usagePlans)}
		}
		return nil
	}},
}}
