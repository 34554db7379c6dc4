package exchange

import (
	"iter"
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/mapping"
)

// Query is the decoded query string in order: "+" is a space, ";" separates like "&", a key without "=" has an empty
// value (spec/rest.md 1.4). It is parsed once.
func (x *Exchange) Query() []Field {
	if x.queryParsed {
		return x.query
	}
	x.queryParsed = true
	rest := x.Request.RawQuery
	for rest != "" {
		part := rest
		if i := strings.IndexAny(rest, "&;"); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		x.query = append(x.query, Field{x.Decode(name, true), x.Decode(value, true)})
	}
	return x.query
}

// Decode percent-decodes s; a broken escape stays as it is. With plus, "+" becomes a space.
func (x *Exchange) Decode(s string, plus bool) string {
	if strings.IndexByte(s, '%') < 0 && (!plus || strings.IndexByte(s, '+') < 0) {
		return s
	}
	start := len(x.arena)
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			x.arena = append(x.arena, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		case s[i] == '+' && plus:
			x.arena = append(x.arena, ' ')
		default:
			x.arena = append(x.arena, s[i])
		}
	}
	return View(x.arena[start:])
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// StageVariable is the value of a stage variable.
func (x *Exchange) StageVariable(name string) string {
	if x.Scope == nil {
		return ""
	}
	return x.Scope.StageVariables[name]
}

// PathParameter is the raw value of a path parameter.
func (x *Exchange) PathParameter(name string) (string, bool) {
	for _, p := range x.Match.Params {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// Values answers mapping expressions from an exchange.
type Values struct{ X *Exchange }

// Path is a path parameter, decoded: mappings decode before they map (spec/rest.md 1.4).
func (v Values) Path(name string) string {
	raw, _ := v.X.PathParameter(name)
	return v.X.Decode(raw, false)
}

// Query is the last value of a query parameter.
func (v Values) Query(name string) string {
	q := v.X.Query()
	for i := len(q) - 1; i >= 0; i-- {
		if q[i].Name == name {
			return q[i].Value
		}
	}
	return ""
}

// QueryAll appends all values of a query parameter.
func (v Values) QueryAll(dst []string, name string) []string {
	return appendAll(dst, v.X.Query(), name)
}

// Header is the last value of a request header. The headers that disappear at parse time are empty here too
// (spec/rest.md 4.7).
func (v Values) Header(name string) string {
	if HiddenFromMapping(name) {
		return ""
	}
	return v.X.Header(name)
}

// HeaderAll appends all values of a request header.
func (v Values) HeaderAll(dst []string, name string) []string {
	if HiddenFromMapping(name) {
		return dst
	}
	return appendAll(dst, v.X.Request.Headers, name)
}

// Parameters are the parameters of a place, as mappings see them.
func (v Values) Parameters(place mapping.Place) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		switch place {
		case mapping.InPath:
			for _, p := range v.X.Match.Params {
				if !yield(p.Name, v.X.Decode(p.Value, false)) {
					return
				}
			}
		case mapping.InQuery:
			pairs(v.X.Query(), yield)
		case mapping.InHeader:
			for _, f := range v.X.Request.Headers {
				if !HiddenFromMapping(f.Name) && !yield(f.Name, f.Value) {
					return
				}
			}
		}
	}
}

func pairs(fields []Field, yield func(string, string) bool) bool {
	for _, f := range fields {
		if !yield(f.Name, f.Value) {
			return false
		}
	}
	return true
}

// StageVariables are all stage variables.
func (v Values) StageVariables() map[string]string {
	if v.X.Scope == nil {
		return nil
	}
	return v.X.Scope.StageVariables
}

// Authorizer is what the authorizer said of the caller.
func (v Values) Authorizer() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		a := v.X.Authorizer
		if a == nil {
			return
		}
		if a.PrincipalID != "" && !yield("principalId", a.PrincipalID) {
			return
		}
		if !pairs(a.Context, yield) {
			return
		}
		for _, c := range a.Claims {
			if !yield("claims."+c.Name, c.Value) {
				return
			}
		}
	}
}

// Body is the request body.
func (v Values) Body() string { return View(v.X.Request.Body) }

// StageVariable is the value of a stage variable.
func (v Values) StageVariable(name string) string { return v.X.StageVariable(name) }

// Context is a scalar of $context.
func (v Values) Context(path string) string { return v.X.Context(path) }

// ResponseHeader is the last value of a header of the integration's answer, in any spelling.
func (v Values) ResponseHeader(name string) string { return LookupFold(v.X.Backend.Headers, name) }

// ResponseHeaderAll appends all values of a header of the integration's answer.
func (v Values) ResponseHeaderAll(dst []string, name string) []string {
	for _, f := range v.X.Backend.Headers {
		if strings.EqualFold(f.Name, name) {
			dst = append(dst, f.Value)
		}
	}
	return dst
}

// ResponseStatus is the status of the integration's answer; empty when it has none.
func (v Values) ResponseStatus() string {
	if v.X.Backend.Status == 0 {
		return ""
	}
	return strconv.Itoa(v.X.Backend.Status)
}

// ResponseBody is the body of the integration's answer.
func (v Values) ResponseBody() string { return View(v.X.Backend.Body) }

// Variable resolves the variables of gateway response templates.
func (v Values) Variable(name string) (string, bool) {
	for _, k := range [...]struct {
		prefix string
		value  func(string) string
	}{
		{"context.", v.Context}, {"stageVariables.", v.StageVariable}, {"method.request.header.", v.Header},
		{"method.request.path.", v.Path}, {"method.request.querystring.", v.Query},
	} {
		if rest, ok := strings.CutPrefix(name, k.prefix); ok {
			value := k.value(rest)
			return value, value != ""
		}
	}
	return "", false
}

func appendAll(dst []string, fields []Field, name string) []string {
	for _, f := range fields {
		if f.Name == name {
			dst = append(dst, f.Value)
		}
	}
	return dst
}

// HiddenFromMapping: at parse time these client headers disappear for every integration type (spec/rest.md 4.7).
func HiddenFromMapping(name string) bool {
	switch len(name) {
	case 2:
		return strings.EqualFold(name, "TE")
	case 6:
		return strings.EqualFold(name, "Expect") || strings.EqualFold(name, "Server")
	case 7:
		return strings.EqualFold(name, "Trailer") || strings.EqualFold(name, "Upgrade")
	case 10:
		return strings.EqualFold(name, "Connection")
	case 11:
		return strings.EqualFold(name, "Content-MD5")
	case 12:
		return strings.EqualFold(name, "Max-Forwards")
	case 14:
		return strings.EqualFold(name, "Content-Length")
	case 16:
		return strings.EqualFold(name, "WWW-Authenticate")
	case 17:
		return strings.EqualFold(name, "Transfer-Encoding")
	case 18:
		return strings.EqualFold(name, "Proxy-Authenticate")
	}
	return false
}

// SourceIP is the address of the client: the immediate peer, or whom a trusted proxy named.
func (x *Exchange) SourceIP() string {
	if x.Record.Source == "" {
		x.Record.Source = x.Build(func(dst []byte) []byte { return x.Request.Remote.Addr().Unmap().AppendTo(dst) })
	}
	return x.Record.Source
}

// RequestTime is $context.requestTime: the moment of arrival in the common log format, UTC.
func (x *Exchange) RequestTime() string {
	return x.Build(func(dst []byte) []byte {
		return x.Request.Received.UTC().AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	})
}

// Context is a scalar of $context by its path, "" for what is unknown (spec/rest.md 6.1).
func (x *Exchange) Context(path string) string {
	if x.Socket != nil {
		if value, ok := x.socketContext(path); ok {
			return value
		}
	}
	switch path {
	case "requestId":
		return x.RequestID
	case "extendedRequestId":
		return x.ExtendedID
	case "httpMethod":
		return x.Request.Method
	case "path":
		return x.Target.ContextPath()
	case "protocol":
		return "HTTP/1.1" // trap 52: whatever the client spoke
	case "requestTime":
		return x.RequestTime()
	case "requestTimeEpoch":
		return strconv.FormatInt(x.Request.Received.UnixMilli(), 10)
	case "domainName":
		return x.DomainName
	case "domainPrefix":
		prefix, _, _ := strings.Cut(x.DomainName, ".")
		return prefix
	case "identity.sourceIp":
		return x.SourceIP()
	case "identity.userAgent":
		return x.HeaderFold("user-agent")
	case "identity.apiKey":
		return x.APIKey
	case "identity.apiKeyId":
		return x.APIKeyID
	case "xrayTraceId":
		return x.Trace.Root
	}
	if value, ok := x.scopeContext(path); ok {
		return value
	}
	if name, ok := strings.CutPrefix(path, "authorizer."); ok {
		return x.authorizerContext(name)
	}
	if name, ok := strings.CutPrefix(path, "identity."); ok {
		return x.callerContext(name)
	}
	if x.Method == nil {
		return ""
	}
	switch path {
	case "resourceId":
		return x.Method.ResourceID
	case "resourcePath":
		return x.Method.ResourcePath
	case "operationName":
		return x.Method.OperationName
	}
	return ""
}

// authorizerContext is a value of $context.authorizer: strings all (spec/rest.md 3.4).
func (x *Exchange) authorizerContext(name string) string {
	a := x.Authorizer
	switch {
	case a == nil:
		return ""
	case name == "principalId":
		return a.PrincipalID
	case name == "integrationLatency":
		return strconv.FormatInt(a.IntegrationLatency, 10)
	}
	for i := len(a.Context) - 1; i >= 0; i-- {
		if a.Context[i].Name == name {
			return a.Context[i].Value
		}
	}
	return ""
}

// MethodARN names this call of the method: path parameters filled in, no leading slash (spec/rest.md 3.8).
func (x *Exchange) MethodARN() string { return x.methodARN(x.Scope.Account) }

// MaskedARN is MethodARN as clients see it: only the end of the account is told (spec/rest.md 3.7).
func (x *Exchange) MaskedARN() string { return x.methodARN(arn.MaskAccount(x.Scope.Account)) }

func (x *Exchange) methodARN(account string) string {
	s := x.Scope
	stage := "arn:" + arn.Partition(s.Region) + ":execute-api:" + s.Region + ":" + account + ":" + s.API + "/" + s.Stage + "/"
	if x.Socket != nil {
		return stage + "$connect"
	}
	return stage + x.Request.Method + "/" + strings.TrimPrefix(x.Target.Path, "/")
}

func (x *Exchange) scopeContext(path string) (string, bool) {
	if x.Scope == nil {
		return "", false
	}
	switch path {
	case "accountId":
		return x.Scope.Account, true
	case "apiId":
		return x.Scope.API, true
	case "stage":
		return x.Scope.Stage, true
	case "deploymentId":
		return x.Scope.DeploymentID, true
	}
	return "", false
}
