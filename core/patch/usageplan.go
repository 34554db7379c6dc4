package patch

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type usagePlan = *apigatewayv1.UsagePlan

// UsagePlan holds the rules of UpdateUsagePlan. Whether an added stage exists, and whether a quota is whole, is checked by
// the operation.
var UsagePlan = &Rules[usagePlan]{rules: []rule[usagePlan]{
	{"/name", replace, text(func(p usagePlan) **string { return &p.Name })},
	{"/description", replace, optionalText(func(p usagePlan) **string { return &p.Description })},
	{"/productCode", addReplaceRemove, optionalText(func(p usagePlan) **string { return &p.ProductCode })},
	{"/apiStages", addRemove, planStages},
	{"/throttle", removeOnly, func(p usagePlan, _ Op) *fault.Error { p.Throttle = nil; return nil }},
	{"/throttle/rateLimit", addReplace, func(p usagePlan, op Op) *fault.Error { return setThrottle(planThrottle(p), op) }},
	{"/throttle/burstLimit", addReplace, func(p usagePlan, op Op) *fault.Error { return setThrottle(planThrottle(p), op) }},
	{"/quota", removeOnly, func(p usagePlan, _ Op) *fault.Error { p.Quota = nil; return nil }},
	{"/quota/limit", addReplace, quotaNumber(func(q *apigatewayv1.QuotaSettings) **int32 { return &q.Limit }, "limit")},
	{"/quota/offset", addReplace, quotaNumber(func(q *apigatewayv1.QuotaSettings) **int32 { return &q.Offset }, "offset")},
	{"/quota/period", addReplace, quotaPeriod},
}, otherwise: stageThrottle}

var removeOnly = []string{"remove"}

// planThrottle and planQuota make the object with the first change of any part.
func planThrottle(p usagePlan) *apigatewayv1.ThrottleSettings {
	if p.Throttle == nil {
		p.Throttle = &apigatewayv1.ThrottleSettings{}
	}
	return p.Throttle
}

func planQuota(p usagePlan) *apigatewayv1.QuotaSettings {
	if p.Quota == nil {
		p.Quota = &apigatewayv1.QuotaSettings{Offset: new(int32)}
	}
	return p.Quota
}

func quotaNumber(field func(*apigatewayv1.QuotaSettings) **int32, member string) func(usagePlan, Op) *fault.Error {
	return func(p usagePlan, op Op) *fault.Error {
		return number(field, 0, 1<<31-1, false, "Invalid quota "+member+": it must be a whole number")(planQuota(p), op)
	}
}

func quotaPeriod(p usagePlan, op Op) *fault.Error {
	return oneOf(func(q *apigatewayv1.QuotaSettings) **string { return &q.Period }, "quota period", "DAY", "WEEK", "MONTH")(planQuota(p), op)
}

// setThrottle sets rateLimit or burstLimit; -1 and text such as 10.000000 are legal (spec/control-plane.md 13, trap 23).
func setThrottle(t *apigatewayv1.ThrottleSettings, op Op) *fault.Error {
	if op.Last() == "rateLimit" {
		return rate(func(t *apigatewayv1.ThrottleSettings) **float64 { return &t.RateLimit })(t, op)
	}
	return burst(func(t *apigatewayv1.ThrottleSettings) **int32 { return &t.BurstLimit })(t, op)
}

// invalidStage is the answer to a stage that is missing or malformed.
func invalidStage() *fault.Error { return fault.BadRequest("Invalid API Stage specified") }

// UnknownPlanStage is the answer to a stage that a plan does not have, or that does not exist.
func UnknownPlanStage(api, stage, plan string) *fault.Error {
	return fault.NotFound("Invalid API Stage {api: %s, stage: %s} specified for usageplan %s", api, stage, plan)
}

// splitStage reads {apiId}:{stage}.
func splitStage(text string) (api, stage string, ok bool) {
	api, stage, ok = strings.Cut(text, ":")
	return api, stage, ok && api != "" && stage != "" && !strings.Contains(stage, ":")
}

// planStages: the element is the value, for remove too; removing without one is an error, not "all" (trap 17).
func planStages(p usagePlan, op Op) *fault.Error {
	api, stage, ok := splitStage(op.Text())
	if !ok {
		return invalidStage()
	}
	items := slices.Clone(p.ApiStages.GetItems())
	at := planStage(p, api, stage)
	switch {
	case op.Op == "add" && at < 0:
		items = append(items, &apigatewayv1.ApiStage{ApiId: &api, Stage: &stage})
	case op.Op == "remove" && at < 0:
		return UnknownPlanStage(api, stage, p.GetId())
	case op.Op == "remove":
		items = slices.Delete(items, at, at+1)
	}
	p.ApiStages = &apigatewayv1.ApiStageList{Items: items}
	return nil
}

func planStage(p usagePlan, api, stage string) int {
	return slices.IndexFunc(p.ApiStages.GetItems(), func(s *apigatewayv1.ApiStage) bool {
		return s.GetApiId() == api && s.GetStage() == stage
	})
}

// stageThrottle handles /apiStages/{api}:{stage}/throttle and what is below it. The method between is one escaped token and
// a verb, or, as Terraform sends it, a path that is not escaped (trap 22); both are the tokens up to the member.
func stageThrottle(p usagePlan, op Op) *fault.Error {
	t := op.Tokens
	if len(t) < 3 || t[0] != "apiStages" || t[2] != "throttle" {
		return fault.BadRequest("Invalid patch path %s", op.Path)
	}
	api, stage, ok := splitStage(t[1])
	if !ok {
		return invalidStage()
	}
	at := planStage(p, api, stage)
	if at < 0 {
		return UnknownPlanStage(api, stage, p.GetId())
	}
	s := p.ApiStages.Items[at]
	if len(t) == 3 {
		return throttleMap(s, op)
	}
	if op.Op == "remove" {
		return removeThrottle(s, strings.Join(t[3:], "/"))
	}
	if len(t) < 6 || op.Last() != "rateLimit" && op.Last() != "burstLimit" {
		return fault.BadRequest("Invalid patch path %s", op.Path)
	}
	return setThrottle(methodThrottle(s, strings.Join(t[3:len(t)-1], "/")), op)
}

// throttleMap replaces the whole map by the JSON text of another, or takes it away.
func throttleMap(s *apigatewayv1.ApiStage, op Op) *fault.Error {
	if op.Op == "remove" {
		s.Throttle = nil
		return nil
	}
	var given map[string]struct {
		RateLimit  *float64 `json:"rateLimit"`
		BurstLimit *int32   `json:"burstLimit"`
	}
	d := json.NewDecoder(bytes.NewReader([]byte(op.Text())))
	d.DisallowUnknownFields()
	if err := d.Decode(&given); err != nil || d.More() {
		return fault.BadRequest("Invalid value for %s: it must be a JSON object of method throttles", op.Path)
	}
	s.Throttle = &apigatewayv1.ThrottleSettingsMap{Entries: map[string]*apigatewayv1.ThrottleSettings{}}
	for key, t := range given {
		s.Throttle.Entries[key] = &apigatewayv1.ThrottleSettings{RateLimit: t.RateLimit, BurstLimit: t.BurstLimit}
	}
	return nil
}

// methodKey is what spellings of one method have in common: ~1pets/GET, /pets/GET and pets/GET are the same.
func methodKey(key string) string { return strings.TrimLeft(Unescape(key), "/") }

// spelled finds how the map spells a method; a new one is spelled as it was addressed.
func spelled(s *apigatewayv1.ApiStage, key string) (string, bool) {
	for k := range s.Throttle.GetEntries() {
		if methodKey(k) == methodKey(key) {
			return k, true
		}
	}
	return key, false
}

func methodThrottle(s *apigatewayv1.ApiStage, key string) *apigatewayv1.ThrottleSettings {
	if s.Throttle == nil {
		s.Throttle = &apigatewayv1.ThrottleSettingsMap{}
	}
	if s.Throttle.Entries == nil {
		s.Throttle.Entries = map[string]*apigatewayv1.ThrottleSettings{}
	}
	key, ok := spelled(s, key)
	if !ok {
		s.Throttle.Entries[key] = &apigatewayv1.ThrottleSettings{}
	}
	return s.Throttle.Entries[key]
}

func removeThrottle(s *apigatewayv1.ApiStage, key string) *fault.Error {
	key, ok := spelled(s, key)
	if !ok {
		return fault.NotFound(noParameter)
	}
	delete(s.Throttle.Entries, key)
	if len(s.Throttle.Entries) == 0 {
		s.Throttle = nil
	}
	return nil
}

// rate and burst set the two limits of a throttle.
func rate[T any](field func(T) **float64) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		f, err := strconv.ParseFloat(op.Text(), 64)
		if err != nil || !(f >= -1) || f > 1e15 {
			return fault.BadRequest("Invalid throttling rate limit: it must be a number, or -1 for none")
		}
		*field(noun) = &f
		return nil
	}
}

func burst[T any](field func(T) **int32) func(T, Op) *fault.Error {
	return number(field, -1, 1<<31-1, false, "Invalid throttling burst limit: it must be a whole number, or -1 for none")
}
