// Package gatewayresponse knows GatewayResponse: the answers that a REST API gives by itself instead of the backend's,
// their types, default status codes, inheritance and customisation, and how they are rendered byte for byte. Error is
// the failure that a phase of the data plane returns to get one of them.
//
// It does not decide when a request fails, and it does not write to anybody. The surprise: the templates here are not
// Velocity but plain substitution (spec/rest.md 7.3), and the spacing of a default body depends on how far the request
// came (trap 54).
package gatewayresponse

// Type is a response type, by AWS's responseType name.
type Type string

// The response types (spec/rest.md 7.1).
const (
	AccessDenied                 Type = "ACCESS_DENIED"
	APIConfigurationError        Type = "API_CONFIGURATION_ERROR"
	AuthorizerConfigurationError Type = "AUTHORIZER_CONFIGURATION_ERROR"
	AuthorizerFailure            Type = "AUTHORIZER_FAILURE"
	BadRequestBody               Type = "BAD_REQUEST_BODY"
	BadRequestParameters         Type = "BAD_REQUEST_PARAMETERS"
	Default4XX                   Type = "DEFAULT_4XX"
	Default5XX                   Type = "DEFAULT_5XX"
	ExpiredToken                 Type = "EXPIRED_TOKEN"
	IntegrationFailure           Type = "INTEGRATION_FAILURE"
	IntegrationTimeout           Type = "INTEGRATION_TIMEOUT"
	InvalidAPIKey                Type = "INVALID_API_KEY"
	InvalidSignature             Type = "INVALID_SIGNATURE"
	MissingAuthenticationToken   Type = "MISSING_AUTHENTICATION_TOKEN"
	QuotaExceeded                Type = "QUOTA_EXCEEDED"
	RequestTooLarge              Type = "REQUEST_TOO_LARGE"
	ResourceNotFound             Type = "RESOURCE_NOT_FOUND"
	Throttled                    Type = "THROTTLED"
	Unauthorized                 Type = "UNAUTHORIZED"
	UnsupportedMediaType         Type = "UNSUPPORTED_MEDIA_TYPE"
	WAFFiltered                  Type = "WAF_FILTERED"
)

// traits is what is built in for a type.
type traits struct {
	status    int  // 0: the type has none of its own
	inherits  Type // "": nothing
	message   string
	null      bool // the default message is null
	errorType string
	spaced    bool // raised in execution: a space follows the colon of the default body
	fixed     bool // customisation is not honoured
}

// spec/rest.md 7.1 and 7.3. The spacing of validation and 415 bodies is unverified there.
var table = map[Type]traits{
	AccessDenied:                 {status: 403, inherits: Default4XX, message: "Forbidden", errorType: "AccessDeniedException"},
	APIConfigurationError:        {status: 500, inherits: Default5XX, message: "Internal server error", errorType: "InternalServerErrorException", spaced: true},
	AuthorizerConfigurationError: {status: 500, inherits: Default5XX, null: true, errorType: "AuthorizerConfigurationException"},
	AuthorizerFailure:            {status: 500, inherits: Default5XX, null: true, errorType: "AuthorizerFailureException"},
	BadRequestBody:               {status: 400, inherits: Default4XX, message: "Invalid request body", errorType: "BadRequestException", spaced: true},
	BadRequestParameters:         {status: 400, inherits: Default4XX, message: "Missing required request parameters", errorType: "BadRequestException", spaced: true},
	Default4XX:                   {errorType: "BadRequestException", message: "Bad Request"},
	Default5XX:                   {errorType: "InternalServerErrorException", message: "Internal server error", spaced: true},
	ExpiredToken:                 {status: 403, inherits: Default4XX, message: "The security token included in the request is expired", errorType: "ExpiredTokenException"},
	IntegrationFailure:           {status: 504, inherits: Default5XX, message: "Network error communicating with endpoint", errorType: "InternalServerErrorException", spaced: true},
	IntegrationTimeout:           {status: 504, inherits: Default5XX, message: "Endpoint request timed out", errorType: "InternalServerErrorException", spaced: true},
	InvalidAPIKey:                {status: 403, inherits: Default4XX, message: "Forbidden", errorType: "ForbiddenException"},
	InvalidSignature:             {status: 403, inherits: Default4XX, message: "The request signature we calculated does not match the signature you provided.", errorType: "InvalidSignatureException"},
	MissingAuthenticationToken:   {status: 403, inherits: Default4XX, message: "Missing Authentication Token", errorType: "MissingAuthenticationTokenException"},
	QuotaExceeded:                {status: 429, inherits: Default4XX, message: "Limit Exceeded", errorType: "LimitExceededException"},
	RequestTooLarge:              {status: 413, inherits: Default4XX, message: "HTTP content length exceeded 10485760 bytes", errorType: "RequestTooLargeException", fixed: true},
	ResourceNotFound:             {status: 404, inherits: Default4XX, message: "Not Found", errorType: "NotFoundException"},
	Throttled:                    {status: 429, inherits: Default4XX, message: "Too Many Requests", errorType: "TooManyRequestsException"},
	Unauthorized:                 {status: 401, inherits: Default4XX, message: "Unauthorized", errorType: "UnauthorizedException"},
	UnsupportedMediaType:         {status: 415, inherits: Default4XX, message: "Unsupported Media Type", errorType: "BadRequestException", spaced: true},
	WAFFiltered:                  {status: 403, inherits: Default4XX, message: "Forbidden", errorType: "ForbiddenException"},
}

// Types lists all response types in AWS's alphabetical order.
func Types() []Type {
	return []Type{
		AccessDenied, APIConfigurationError, AuthorizerConfigurationError, AuthorizerFailure, BadRequestBody,
		BadRequestParameters, Default4XX, Default5XX, ExpiredToken, IntegrationFailure, IntegrationTimeout, InvalidAPIKey,
		InvalidSignature, MissingAuthenticationToken, QuotaExceeded, RequestTooLarge, ResourceNotFound, Throttled,
		Unauthorized, UnsupportedMediaType, WAFFiltered,
	}
}

// Valid reports whether t is one of AWS's response types.
func (t Type) Valid() bool { _, ok := table[t]; return ok }

// DefaultStatus is the built-in status of the type, 0 for DEFAULT_4XX and DEFAULT_5XX.
func (t Type) DefaultStatus() int { return table[t].status }

// Inherits is the default type whose customisation t takes over while it has none of its own; "" for the defaults.
func (t Type) Inherits() Type { return table[t].inherits }

// DefaultMessage is the built-in message; ok is false where it is null.
func (t Type) DefaultMessage() (message string, ok bool) { return table[t].message, !table[t].null }

// ErrorType is the value of x-amzn-ErrorType.
func (t Type) ErrorType() string { return table[t].errorType }
