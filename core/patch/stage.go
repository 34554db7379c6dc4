package patch

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type stage = *apigatewayv1.Stage

// Stage holds the rules of UpdateStage. spec/control-plane.md 6.3. Whether named deployments exist is checked by the
// operation.
var Stage = &Rules[stage]{rules: []rule[stage]{
	{"/deploymentId", []string{"replace", "copy"}, stageDeployment},
	{"/description", replace, text(func(s stage) **string { return &s.Description })},
	{"/documentationVersion", replace, optionalText(func(s stage) **string { return &s.DocumentationVersion })},
	{"/clientCertificateId", replace, optionalText(func(s stage) **string { return &s.ClientCertificateId })},
	{"/cacheClusterEnabled", replace, flag(func(s stage) **bool { return &s.CacheClusterEnabled })},
	{"/cacheClusterSize", replace, oneOf(func(s stage) **string { return &s.CacheClusterSize }, "cacheClusterSize", "0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")},
	{"/tracingEnabled", replace, flag(func(s stage) **bool { return &s.TracingEnabled })},
	{"/variables", []string{"replace", "remove", "copy"}, stageVariables},
	{"/variables/{name}", addReplaceRemove, stageVariable},
	{"/accessLogSettings", addReplaceRemove, func(s stage, op Op) *fault.Error {
		if op.Op != "remove" {
			return accessLogPath()
		}
		s.AccessLogSettings = nil
		return nil
	}},
	{"/accessLogSettings/{member}", addReplaceRemove, accessLog},
	{"/canarySettings", []string{"remove"}, func(s stage, _ Op) *fault.Error { s.CanarySettings = nil; return nil }},
	{"/canarySettings/deploymentId", addReplace, canaryDeployment},
	{"/canarySettings/percentTraffic", addReplace, canaryPercent},
	{"/canarySettings/useStageCache", addReplace, func(s stage, op Op) *fault.Error {
		canary(s).UseStageCache = proto.Bool(truth(op))
		return nil
	}},
	{"/canarySettings/stageVariableOverrides", replace, func(s stage, op Op) *fault.Error {
		return variablesText(&canary(s).StageVariableOverrides, op)
	}},
	{"/canarySettings/stageVariableOverrides/{name}", addReplaceRemove, func(s stage, op Op) *fault.Error {
		return variable(&canary(s).StageVariableOverrides, op)
	}},
}, otherwise: methodSetting}

var addReplace = []string{"add", "replace"}

// Deployment holds the rules of UpdateDeployment.
var Deployment = &Rules[*apigatewayv1.Deployment]{rules: []rule[*apigatewayv1.Deployment]{
	{"/description", replace, text(func(d *apigatewayv1.Deployment) **string { return &d.Description })},
}}

// canary is the canary of a stage; the first change of any part makes it. spec/control-plane.md 5.1.
func canary(s stage) *apigatewayv1.CanarySettings {
	if s.CanarySettings == nil {
		s.CanarySettings = &apigatewayv1.CanarySettings{DeploymentId: s.DeploymentId,
			PercentTraffic: proto.Float64(0), UseStageCache: proto.Bool(false)}
	}
	return s.CanarySettings
}

const (
	copyDeployment = "/canarySettings/deploymentId"
	copyVariables  = "/canarySettings/stageVariableOverrides"
)

func copyFrom(s stage, op Op, from string) *fault.Error {
	if op.From != from {
		return fault.BadRequest("Invalid copy operation with path: %s and from %s. Valid copy:path are [/deploymentId, /variables] and valid copy:from are [%s, %s]", op.Path, op.From, copyDeployment, copyVariables)
	}
	if s.CanarySettings == nil {
		return fault.BadRequest("Promotion not available. Canary does not exist.")
	}
	return nil
}

func stageDeployment(s stage, op Op) *fault.Error {
	if op.Op == "replace" {
		s.DeploymentId = op.Value
		return nil
	}
	if err := copyFrom(s, op, copyDeployment); err != nil {
		return err
	}
	s.DeploymentId = s.CanarySettings.DeploymentId
	return nil
}

func stageVariables(s stage, op Op) *fault.Error {
	switch op.Op {
	case "remove":
		s.Variables = nil
		return nil
	case "replace":
		return variablesText(&s.Variables, op)
	}
	if err := copyFrom(s, op, copyVariables); err != nil {
		return err
	}
	for k, v := range s.CanarySettings.StageVariableOverrides.GetEntries() {
		setVariable(&s.Variables, k, v)
	}
	return nil
}

func stageVariable(s stage, op Op) *fault.Error { return variable(&s.Variables, op) }

func variable(m **apigatewayv1.StringMap, op Op) *fault.Error {
	if op.Op == "remove" {
		delete((*m).GetEntries(), op.Last())
		return nil
	}
	if err := CheckVariable(op.Last(), op.Text()); err != nil {
		return err
	}
	setVariable(m, op.Last(), op.Text())
	return nil
}

func setVariable(m **apigatewayv1.StringMap, name, value string) {
	if *m == nil {
		*m = &apigatewayv1.StringMap{}
	}
	if (*m).Entries == nil {
		(*m).Entries = map[string]string{}
	}
	(*m).Entries[name] = value
}

func variablesText(m **apigatewayv1.StringMap, op Op) *fault.Error {
	entries := map[string]string{}
	if err := json.Unmarshal([]byte(op.Text()), &entries); err != nil {
		return fault.BadRequest("Invalid value for %s: it must be a JSON object of strings", op.Path)
	}
	for k, v := range entries {
		if err := CheckVariable(k, v); err != nil {
			return err
		}
	}
	*m = &apigatewayv1.StringMap{Entries: entries}
	return nil
}

// Forms of stage variables. spec/rest.md 8.4.
var (
	variableName  = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	variableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]{0,512}$`)
)

// CheckVariable refuses a stage variable of the wrong form.
func CheckVariable(name, value string) *fault.Error {
	if !variableName.MatchString(name) {
		return fault.BadRequest("Stage variable name '%s' is invalid: 1 to 64 characters of [A-Za-z0-9_]", name)
	}
	if !variableValue.MatchString(value) {
		return fault.BadRequest("Stage variable value for '%s' is invalid: at most 512 characters of [A-Za-z0-9-._~:/?#&=,]", name)
	}
	return nil
}

func accessLogPath() *fault.Error {
	return fault.BadRequest("Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]")
}

func accessLog(s stage, op Op) *fault.Error {
	if op.Op == "remove" {
		return noSetting(op)
	}
	if op.Last() != "destinationArn" && op.Last() != "format" {
		return accessLogPath()
	}
	if op.Text() == "" {
		return fault.BadRequest("Access Log value must not be empty")
	}
	if s.AccessLogSettings == nil {
		s.AccessLogSettings = &apigatewayv1.AccessLogSettings{}
	}
	if op.Last() == "format" {
		s.AccessLogSettings.Format = op.Value
	} else {
		s.AccessLogSettings.DestinationArn = op.Value
	}
	return nil
}

func canaryDeployment(s stage, op Op) *fault.Error {
	if op.Op == "add" {
		return fault.BadRequest("Invalid add operation with path: %s", op.Path)
	}
	canary(s).DeploymentId = op.Value
	return nil
}

func canaryPercent(s stage, op Op) *fault.Error {
	f, err := strconv.ParseFloat(op.Text(), 64)
	if err != nil || !(f >= 0 && f <= 100) { // NaN is none of both
		return fault.BadRequest("Invalid percentTraffic: it must be a number between 0.0 and 100.0")
	}
	canary(s).PercentTraffic = &f
	return nil
}

// stagePaths is what AWS lists when it does not know a path.
const stagePaths = "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, /{resourcePath}/{httpMethod}/throttling/burstLimit, /{resourcePath}/{httpMethod}/throttling/rateLimit, /{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, /{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, /*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit, /*/*/throttling/rateLimit, /*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, /*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, /tracingEnabled"

func noSetting(op Op) *fault.Error {
	return fault.BadRequest("Cannot remove method setting %s because there is no method setting for this method ", strings.TrimPrefix(op.Path, "/"))
}

// methodSetting handles /{resource}/{VERB}/{group}/{member}. The key in the map is the text as addressed, not unescaped.
func methodSetting(s stage, op Op) *fault.Error {
	raw := strings.TrimPrefix(op.Path, "/")
	if op.Op == "remove" {
		if s.MethodSettings.GetEntries()[raw] == nil {
			return noSetting(op)
		}
		delete(s.MethodSettings.Entries, raw)
		return nil
	}
	parts := strings.Split(raw, "/")
	if len(parts) < 4 {
		return unknownSetting(op)
	}
	at := len(parts) - 2
	set, ok := settings[parts[at]+"/"+parts[at+1]]
	if !ok {
		return unknownSetting(op)
	}
	return set(materialise(s, strings.Join(parts[:at], "/")), op)
}

func unknownSetting(op Op) *fault.Error {
	return fault.BadRequest("Invalid method setting path: %s. Must be one of: [%s]", op.Path, stagePaths)
}

// materialise makes a whole entry on its first change: a copy of */* as of now, or AWS's defaults. Later changes of */* do
// not touch it.
func materialise(s stage, key string) *apigatewayv1.MethodSetting {
	if s.MethodSettings == nil {
		s.MethodSettings = &apigatewayv1.MethodSettingMap{}
	}
	if s.MethodSettings.Entries == nil {
		s.MethodSettings.Entries = map[string]*apigatewayv1.MethodSetting{}
	}
	entries := s.MethodSettings.Entries
	if entries[key] == nil {
		entries[key] = defaultSetting()
		if all := entries["*/*"]; all != nil && key != "*/*" {
			entries[key] = proto.Clone(all).(*apigatewayv1.MethodSetting)
		}
	}
	return entries[key]
}

func defaultSetting() *apigatewayv1.MethodSetting {
	return &apigatewayv1.MethodSetting{
		MetricsEnabled: proto.Bool(false), DataTraceEnabled: proto.Bool(false),
		ThrottlingBurstLimit: proto.Int32(5000), ThrottlingRateLimit: proto.Float64(10000),
		CachingEnabled: proto.Bool(false), CacheTtlInSeconds: proto.Int32(300), CacheDataEncrypted: proto.Bool(false),
		RequireAuthorizationForCacheControl:    proto.Bool(true),
		UnauthorizedCacheControlHeaderStrategy: proto.String("SUCCEED_WITH_RESPONSE_HEADER"),
	}
}

type setting = *apigatewayv1.MethodSetting

var settings = map[string]func(setting, Op) *fault.Error{
	"metrics/enabled":                             flag(func(m setting) **bool { return &m.MetricsEnabled }),
	"logging/dataTrace":                           flag(func(m setting) **bool { return &m.DataTraceEnabled }),
	"logging/loglevel":                            oneOf(func(m setting) **string { return &m.LoggingLevel }, "logging level", "OFF", "ERROR", "INFO", "DEBUG"),
	"throttling/burstLimit":                       burst(func(m setting) **int32 { return &m.ThrottlingBurstLimit }),
	"throttling/rateLimit":                        rate(func(m setting) **float64 { return &m.ThrottlingRateLimit }),
	"caching/enabled":                             flag(func(m setting) **bool { return &m.CachingEnabled }),
	"caching/ttlInSeconds":                        number(func(m setting) **int32 { return &m.CacheTtlInSeconds }, 0, 3600, false, "Invalid cache TTL: it must be between 0 and 3600 seconds"),
	"caching/dataEncrypted":                       flag(func(m setting) **bool { return &m.CacheDataEncrypted }),
	"caching/requireAuthorizationForCacheControl": flag(func(m setting) **bool { return &m.RequireAuthorizationForCacheControl }),
	"caching/unauthorizedCacheControlHeaderStrategy": oneOf(func(m setting) **string { return &m.UnauthorizedCacheControlHeaderStrategy },
		"unauthorizedCacheControlHeaderStrategy", "FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"),
}
