package executionlog

// Code says what a phase found. Its sentence is a template: {1} to {4} are the values, {n} the number.
type Code uint8

// What phases find. Codes marked as causes explain a failure and become the first line of its explanation.
const (
	Received Code = iota + 1
	APIFound
	StageFound
	CanaryChosen
	RouteMatched
	PhasePassed
	RequestMapped
	BackendCalled
	BackendAnswered
	FunctionCalled
	FunctionAnswered
	MockAnswered
	ResponseSelected
	ResponseMapped
	Answered

	BadRequest
	TooLarge
	UnknownHost
	UnknownAPI
	UnknownStage
	NotDeployed
	StageUnusable
	MissingStage
	EndpointDisabled
	WrongPath
	WrongMethod
	NotSupported
	UnsupportedMediaType
	MappingForbidden
	InvalidEndpoint
	BackendUnreachable
	BackendTimeout
	BackendMalformed
	BackendTooLarge
	FunctionFailed
	FunctionMissing
	FunctionForbidden
	FunctionThrottled
	FunctionUnavailable
	MalformedResult
	MockStatus
	NoIntegrationResponse
	NoMethodResponse
	TemplateFailed
	NotBase64
	Draining
	Panicked
	Failed

	Authorized
	IdentityMissing
	IdentityInvalid
	AuthorizerUnauthorized
	AuthorizerDenied
	AuthorizerBroken

	SocketStatus
	RouteSelected
	NoRoute
	NoTarget
	NoHandshake
	NoNode
	NodeLost
	ConnectRefused
	ParameterMissing
	NoModel
	Withdrawn
	ConnectionReached
	ConnectionGone
	ConnectionFull
	ConnectionUnknown
	SignatureRefused
	SignatureProved
	CallerDenied
	NotOwner

	ParametersMissing
	BodyInvalid
	BodyValid
	BodyUnchecked
	BodyUnreadable

	CacheHit
	CacheMiss
	CacheShared
	CacheBypassed
	CacheControlIgnored
	CacheControlRefused
	CacheStored
	CacheNotStored

	KeyAccepted
	KeyMissing
	KeyUnknown
	KeyDisabled
	KeyInNoPlan
	Throttled
	QuotaExhausted
	QuotaUnknown
	MeteringAway

	StatusOverridden
	LoopCut
)

type sentence struct {
	text  string
	cause bool
}

var sentences = [...]sentence{
	Received:         {text: "{1} {2} over {3} from {4}"},
	APIFound:         {text: "{1} names API {2}"},
	StageFound:       {text: "stage {1} serves deployment {2}"},
	CanaryChosen:     {text: "the canary of stage {1} was chosen, deployment {2}"},
	RouteMatched:     {text: "{1} {2} matches method {3} of resource {4}"},
	PhasePassed:      {text: "passed {1}"},
	RequestMapped:    {text: "request made from {1}"},
	BackendCalled:    {text: "{1} {2}"},
	BackendAnswered:  {text: "{1} answered {2} after {n} µs"},
	FunctionCalled:   {text: "function {1} invoked"},
	FunctionAnswered: {text: "function {1} answered after {n} µs with status {2}"},
	MockAnswered:     {text: "mock integration gave status {n}"},
	ResponseSelected: {text: "integration response {n} was selected by {1}"},
	ResponseMapped:   {text: "response made from {1}"},
	Answered:         {text: "{1} with status {n}: {2}"},

	BadRequest:            {"The request is not well formed: {1}.", true},
	TooLarge:              {"The request is too large: {1}.", true},
	UnknownHost:           {"Unknown host: {1} is neither the host of an API nor a custom domain of this gateway.", true},
	UnknownAPI:            {"Unknown API: no API with the id {1} is published on this gateway; it does not exist, or was never deployed to a stage.", true},
	UnknownStage:          {"Unknown stage: API {1} has no stage named {2}; its stages are: {3}.", true},
	NotDeployed:           {"Not deployed: API {1} exists, but no deployment of it is published on a stage; create a deployment.", true},
	StageUnusable:         {"Stage {2} of API {1} cannot be served, because its deployment does not compile: {3}.", true},
	MissingStage:          {"The path names no stage: requests to the default endpoint begin with a stage, as in /{2}/…; the path was {1}.", true},
	EndpointDisabled:      {"The default endpoint of API {1} is disabled; use its custom domain.", true},
	WrongPath:             {"Wrong path: no resource of API {1}, stage {2} matches {3}.", true},
	WrongMethod:           {"Wrong method: {1} exists, but not for {2}; the methods there are: {3}.", true},
	NotSupported:          {"The method needs {1}, which this gateway does not serve yet; it is refused rather than left open.", true},
	UnsupportedMediaType:  {"Unsupported media type: no request template for {1}, and passthrough behavior is {2}.", true},
	MappingForbidden:      {"The integration maps the header {1}, which may not be mapped for type {2}.", true},
	InvalidEndpoint:       {"Invalid endpoint address: the integration URI became {1}: {2}.", true},
	BackendUnreachable:    {"Backend unreachable: {1}: {2}.", true},
	BackendTimeout:        {"Backend time-out: {1} did not answer within {n} ms.", true},
	BackendMalformed:      {"The backend {1} did not answer with valid HTTP: {2}.", true},
	BackendTooLarge:       {"The backend {1} answered with more than {n} bytes.", true},
	FunctionFailed:        {"The function {1} failed: {2}: {3}.", true},
	FunctionMissing:       {"Function missing: {1} is not a function this gateway can reach: {2}.", true},
	FunctionForbidden:     {"No permission to invoke function {1}: {2}.", true},
	FunctionThrottled:     {"The function {1} is throttled: {2}.", true},
	FunctionUnavailable:   {"The function {1} could not be invoked: {2}.", true},
	MalformedResult:       {"Malformed function result: {1} returned {2}.", true},
	MockStatus:            {"The mock integration gave no status: its template must yield an integer statusCode, but {1}.", true},
	NoIntegrationResponse: {"Integration response missing: the integration answered {1}, which no selection pattern matches, and there is no default integration response.", true},
	NoMethodResponse:      {"Method response missing: integration response {1} was selected, but the method declares no response {1}.", true},
	TemplateFailed:        {"The {1} template for {2} failed: {3}.", true},
	NotBase64:             {"The body could not be decoded from base64 in the {1}.", true},
	Draining:              {"This edge is shutting down.", true},
	Panicked:              {"A defect of the gateway: {1}.", true},
	Failed:                {"The request failed in phase {1}: {2}.", true},

	Authorized:             {text: "authorizer {1} allowed principal {2}: {3}"},
	IdentityMissing:        {"Identity source missing: authorizer {1} needs {2}, which the request does not have.", true},
	IdentityInvalid:        {"The token does not match the validation expression of authorizer {1}: {2}.", true},
	AuthorizerUnauthorized: {"Authorizer {1} answered Unauthorized.", true},
	AuthorizerDenied:       {"Authorizer {1} denies: {2}.", true},
	AuthorizerBroken:       {"Authorizer {1} is broken: {2}.", true},

	SocketStatus:      {text: "function {1} returned statusCode {n}"},
	RouteSelected:     {text: "the message selects {1} by {2}: route {3}"},
	NoRoute:           {"No route: the message selects {1} by the expression {2}; API {3} has no such route, and no route $default.", true},
	NoTarget:          {"The route {1} has no target: no integration answers its messages.", true},
	NoHandshake:       {"No WebSocket handshake: {1}.", true},
	NoNode:            {"No node takes WebSocket connections: the role wsconn is not played in this process, and no node elsewhere gave a place.", true},
	NodeLost:          {"The node of the connection did not open it after $connect had passed: {1}. $disconnect was run.", true},
	ConnectRefused:    {"The integration of $connect refused the connection with status {n}.", true},
	ParameterMissing:  {"The request lacks the parameter {1}, which the route requires.", true},
	NoModel:           {"The message selects {1}, for which route {2} has no model, and none for $default.", true},
	Withdrawn:         {"API {1}, stage {2} is no longer published; its connections are closed.", true},
	ConnectionReached: {text: "{1} reached connection {2}"},
	ConnectionGone:    {"The connection {1} is gone: it was closed, never existed, belongs to another API or stage, or its $connect has not finished.", true},
	ConnectionFull:    {"The connection {1} does not read: the queue of messages to it is full.", true},
	ConnectionUnknown: {"The node of connection {1} does not answer; whether the connection is open is not known.", true},
	SignatureRefused:  {"The signature is refused: {1}", true},
	SignatureProved:   {text: "signed by {1} with the access key {2}"},
	CallerDenied:      {"{1} may not call the method: it is of another account than the API, and no resource policy of the API lets it in.", true},
	NotOwner:          {"{1} does not own the API of the connection.", true},

	ParametersMissing: {"Missing required request parameters: {1}; they must be there, in this spelling, and not blank.", true},
	BodyInvalid:       {"Invalid request body: it does not match model {1}, which is checked for content type {2}: {3}.", true},
	BodyValid:         {text: "the body matches model {1}"},
	BodyUnreadable:    {"Invalid JSON in request body: a parameter is mapped from inside it, and it does not parse: {1}.", true},
	BodyUnchecked:     {text: "the body is not checked: there is no model for content type {1}"},

	CacheHit:            {text: "answered from the cache with status {n}"},
	CacheMiss:           {text: "not in the cache"},
	CacheShared:         {text: "answered with status {n}, as another request for the same key that was on its way"},
	CacheBypassed:       {text: "the cache was passed by: {1}"},
	CacheControlIgnored: {text: "Cache-Control: max-age=0 was ignored, as {1} demands: the caller may not invalidate the cache"},
	CacheControlRefused: {"Cache-Control: max-age=0 is refused, as {1} demands: the caller may not invalidate the cache.", true},
	CacheStored:         {text: "the answer is kept for {n} s"},
	CacheNotStored:      {text: "the answer is not kept: {1}"},

	KeyAccepted:    {text: "API key {1} counts in usage plan {2}"},
	KeyMissing:     {"No API key: method {1} requires one, and the request has none in {2}.", true},
	KeyUnknown:     {"Wrong API key: {1} is the value of no API key of this account.", true},
	KeyDisabled:    {"The API key {1} is disabled.", true},
	KeyInNoPlan:    {"The API key {1} is in no usage plan that has API {2}, stage {3}.", true},
	Throttled:      {"Throttled by {1}: {2}; API key {3}, usage plan {4}.", true},
	QuotaExhausted: {"Quota exhausted: API key {1} has used the {n} requests of usage plan {2}; period {3}.", true},
	QuotaUnknown:   {"The quota of API key {1} in usage plan {2} is not known, because metering does not answer, and quota_fallback is deny.", true},
	MeteringAway:   {text: "metering does not answer; this edge alone decided on {1}"},

	StatusOverridden: {text: "a template set the status {n}"},
	LoopCut:          {text: "the #foreach at line {n} skipped what it had beyond 1000 elements"},
}

// IsCause reports whether the code explains a failure.
func (c Code) IsCause() bool { return int(c) < len(sentences) && sentences[c].cause }

func (c Code) text() string {
	if int(c) < len(sentences) {
		return sentences[c].text
	}
	return ""
}
