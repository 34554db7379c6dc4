package codec

const (
	serialization = "SerializationException"
	validation    = "ValidationException"
	badRequest    = "BadRequestException"

	notExpectedMap  = "Start of structure or map found where not expected."
	notExpectedList = "Start of list found where not expected"
	javaNumber      = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
	javaBoolean     = "class java.lang.Boolean can not be converted to "
	javaText        = "class java.lang.String can not be converted to "
)

// unknownMembers are refused by name.
var unknownMembers = []raw{
	{what: "unknown at the top", method: "POST", target: "/restapis", body: `{"name":"n","zeta":1,"alpha":null}`,
		fault: badRequest, text: "Unknown member createRestApiInput.alpha, createRestApiInput.zeta: the request has no such member"},
	{what: "unknown in a structure", method: "POST", target: "/restapis", body: `{"name":"n","endpointConfiguration":{"type":[]}}`,
		fault: badRequest, text: "Unknown member createRestApiInput.endpointConfiguration.type: the request has no such member"},
	{what: "unknown in a list", method: "PATCH", target: "/restapis/a", body: `{"patchOperations":[{"op":"add"},{"operation":"add"}]}`,
		fault: badRequest, text: "Unknown member updateRestApiInput.patchOperations.2.member.operation: the request has no such member"},
	{what: "unknown in a map", method: "PATCH", target: "/v2/apis/a/stages/s", body: `{"routeSettings":{"GET /x":{"rate":1}}}`,
		fault: badRequest, text: "Unknown member updateStageInput.routeSettings.GET /x.member.rate: the request has no such member"},
	{what: "another case", method: "POST", target: "/v2/apis", body: `{"Name":"n","name":"n","protocolType":"HTTP"}`,
		fault: badRequest, text: "Unknown member createApiInput.Name: the request has no such member"},
	{what: "a member of the path", method: "POST", target: "/restapis/a/resources/r", body: `{"pathPart":"p","parentId":"q"}`,
		fault: badRequest, text: "Unknown member createResourceInput.parentId: the request has no such member"},
	{what: "an SDK-side name", method: "PUT", target: "/restapis/a/resources/r/methods/GET/integration", body: `{"type":"HTTP","integrationHttpMethod":"POST"}`,
		fault: badRequest, text: "Unknown member putIntegrationInput.integrationHttpMethod: the request has no such member"},
}

// wrongTypes: every kind with values of every other.
var wrongTypes = []raw{
	{what: "bool for text", method: "POST", target: "/restapis", body: `{"name":true}`, fault: serialization, text: javaBoolean + "an String"},
	{what: "number for text", method: "POST", target: "/restapis", body: `{"name":1}`, fault: serialization, text: javaNumber + "an String"},
	{what: "structure for text", method: "POST", target: "/restapis", body: `{"name":{}}`, fault: serialization, text: notExpectedMap},
	{what: "list for text", method: "POST", target: "/restapis", body: `{"name":[]}`, fault: serialization, text: notExpectedList},
	{what: "text for bool", method: "POST", target: "/apikeys", body: `{"enabled":"true"}`, fault: serialization, text: javaText + "an Boolean"},
	{what: "number for bool", method: "POST", target: "/apikeys", body: `{"enabled":1}`, fault: serialization, text: javaNumber + "an Boolean"},
	{what: "text for number", method: "POST", target: "/restapis", body: `{"name":"n","minimumCompressionSize":"1"}`, fault: serialization, text: javaText + "an Integer"},
	{what: "bool for number", method: "POST", target: "/restapis", body: `{"name":"n","minimumCompressionSize":false}`, fault: serialization, text: javaBoolean + "an Integer"},
	{what: "fraction for number", method: "POST", target: "/restapis", body: `{"name":"n","minimumCompressionSize":1.5}`, fault: serialization, text: "the number 1.5 is not a whole number in range"},
	{what: "too large a number", method: "POST", target: "/restapis", body: `{"name":"n","minimumCompressionSize":2147483648}`, fault: serialization, text: "the number 2147483648 does not fit an Integer"},
	{what: "text for double", method: "POST", target: "/usageplans", body: `{"name":"n","throttle":{"rateLimit":"1"}}`, fault: serialization, text: javaText + "an Double"},
	{what: "too large a double", method: "POST", target: "/usageplans", body: `{"name":"n","throttle":{"rateLimit":1e999}}`, fault: serialization, text: "the number 1e999 is out of range"},
	{what: "text for list", method: "POST", target: "/restapis", body: `{"name":"n","binaryMediaTypes":"a/b"}`, fault: serialization, text: javaText + "a list"},
	{what: "structure for list", method: "POST", target: "/restapis", body: `{"name":"n","binaryMediaTypes":{}}`, fault: serialization, text: notExpectedMap},
	{what: "number in list of texts", method: "POST", target: "/restapis", body: `{"name":"n","binaryMediaTypes":[1]}`, fault: serialization, text: javaNumber + "an String"},
	{what: "list for map", method: "POST", target: "/restapis", body: `{"name":"n","tags":[]}`, fault: serialization, text: notExpectedList},
	{what: "text for map", method: "POST", target: "/restapis", body: `{"name":"n","tags":"x"}`, fault: serialization, text: javaText + "a map"},
	{what: "bool in map of texts", method: "POST", target: "/restapis", body: `{"name":"n","tags":{"a":true}}`, fault: serialization, text: javaBoolean + "an String"},
	{what: "text in map of bools", method: "PUT", target: "/restapis/a/resources/r/methods/GET", body: `{"authorizationType":"NONE","requestParameters":{"a":"true"}}`, fault: serialization, text: javaText + "an Boolean"},
	{what: "text for structure", method: "POST", target: "/restapis", body: `{"name":"n","endpointConfiguration":"EDGE"}`, fault: serialization, text: javaText + "a structure"},
	{what: "list for structure", method: "POST", target: "/restapis", body: `{"name":"n","endpointConfiguration":[]}`, fault: serialization, text: notExpectedList},
	{what: "text in list of structures", method: "PATCH", target: "/restapis/a", body: `{"patchOperations":["add"]}`, fault: serialization, text: javaText + "a structure"},
	{what: "bool in a patch", method: "PATCH", target: "/restapis/a", body: `{"patchOperations":[{"op":"replace","path":"/x","value":true}]}`, fault: serialization, text: javaBoolean + "an String"},
	{what: "text in a query for number", method: "GET", target: "/apikeys?limit=x", fault: serialization, text: `limit: "x" can not be converted to an Integer`},
	{what: "nothing in a query for number", method: "GET", target: "/apikeys?limit=", fault: serialization, text: `limit: "" can not be converted to an Integer`},
}

// malformed bodies.
var malformed = []raw{
	{what: "no JSON", method: "POST", target: "/restapis", body: `name`, fault: serialization,
		text: "the body is not valid JSON: invalid character 'a' in literal null (expecting 'u')"},
	{what: "an open structure", method: "POST", target: "/restapis", body: `{"name":"n"`, fault: serialization,
		text: "the body is not valid JSON: unexpected EOF"},
	{what: "two values", method: "POST", target: "/restapis", body: `{"name":"n"}{}`, fault: serialization,
		text: "the body is not valid JSON: something follows the first value"},
	{what: "a list", method: "POST", target: "/restapis", body: `[]`, fault: serialization, text: notExpectedList},
	{what: "a text", method: "POST", target: "/restapis", body: `"x"`, fault: serialization, text: javaText + "a structure"},
}

const failed = " failed to satisfy constraint: Member must "

// constraints of the model, all violations together.
var constraints = []raw{
	{what: "an enum", method: "POST", target: "/restapis", body: `{"name":"n","endpointConfiguration":{"ipAddressType":"wrong"}}`, fault: validation,
		text: "1 validation error detected: Value 'wrong' at 'createRestApiInput.endpointConfiguration.ipAddressType'" + failed + "satisfy enum value set: [ipv4, dualstack]"},
	{what: "an enum in a list", method: "POST", target: "/restapis", body: `{"name":"n","endpointConfiguration":{"types":["EDGE","wrong"]}}`, fault: validation,
		text: "1 validation error detected: Value '[EDGE, wrong]' at 'createRestApiInput.endpointConfiguration.types'" + failed + "satisfy constraint: [Member must satisfy enum value set: [REGIONAL, EDGE, PRIVATE]]"},
	{what: "a pattern in the path", method: "GET", target: "/restapis/a/resources/r/methods/GET/responses/wrong", fault: validation,
		text: `1 validation error detected: Value 'wrong' at 'statusCode'` + failed + `satisfy regular expression pattern: [1-5]\d\d`},
	{what: "a pattern is not searched but matched", method: "GET", target: "/restapis/a/resources/r/methods/GET/responses/2000", fault: validation,
		text: `1 validation error detected: Value '2000' at 'statusCode'` + failed + `satisfy regular expression pattern: [1-5]\d\d`},
	{what: "an enum in the path", method: "GET", target: "/restapis/a/gatewayresponses/wrong", fault: validation,
		text: "1 validation error detected: Value 'wrong' at 'responseType'" + failed + "satisfy enum value set: [DEFAULT_4XX, DEFAULT_5XX, RESOURCE_NOT_FOUND, UNAUTHORIZED, INVALID_API_KEY, ACCESS_DENIED, AUTHORIZER_FAILURE, AUTHORIZER_CONFIGURATION_ERROR, INVALID_SIGNATURE, EXPIRED_TOKEN, MISSING_AUTHENTICATION_TOKEN, INTEGRATION_FAILURE, INTEGRATION_TIMEOUT, API_CONFIGURATION_ERROR, UNSUPPORTED_MEDIA_TYPE, BAD_REQUEST_PARAMETERS, BAD_REQUEST_BODY, REQUEST_TOO_LARGE, THROTTLED, QUOTA_EXCEEDED, WAF_FILTERED]"},
	{what: "an operation of a patch", method: "PATCH", target: "/restapis/a/resources/r/methods/GET/responses/200", body: `{"patchOperations":[{"op":"wrong_op","path":"/x"}]}`, fault: validation,
		text: "1 validation error detected: Value 'wrong_op' at 'updateMethodResponseInput.patchOperations.1.member.op'" + failed + "satisfy enum value set: [add, remove, replace, move, copy, test]"},
	{what: "an empty enum", method: "POST", target: "/restapis", body: `{"name":"n","apiKeySource":""}`, fault: validation,
		text: "1 validation error detected: Value '' at 'createRestApiInput.apiKeySource'" + failed + "satisfy enum value set: [HEADER, AUTHORIZER]"},
	{what: "a missing member", method: "POST", target: "/restapis", body: `{}`, fault: validation,
		text: "1 validation error detected: Value null at 'createRestApiInput.name'" + failed + "not be null"},
	{what: "a null member", method: "POST", target: "/restapis", body: `{"name":null}`, fault: validation,
		text: "1 validation error detected: Value null at 'createRestApiInput.name'" + failed + "not be null"},
	{what: "a member missing in a structure", method: "POST", target: "/restapis/a/documentation/parts", body: `{"location":{},"properties":"{}"}`, fault: validation,
		text: "1 validation error detected: Value null at 'createDocumentationPartInput.location.type'" + failed + "not be null"},
	{what: "a missing pair of the query", method: "GET", target: "/usageplans/u/usage?endDate=x", fault: validation,
		text: "1 validation error detected: Value null at 'startDate'" + failed + "not be null"},
	{what: "a missing list of the query", method: "DELETE", target: "/tags/arn", fault: validation,
		text: "1 validation error detected: Value null at 'tagKeys'" + failed + "not be null"},
	{what: "too large a number", method: "POST", target: "/v2/apis/a/integrations", body: `{"integrationType":"MOCK","timeoutInMillis":30001}`, fault: validation,
		text: "1 validation error detected: Value '30001' at 'createIntegrationInput.timeoutInMillis'" + failed + "have value less than or equal to 30000"},
	{what: "too small a number of the query", method: "GET", target: "/v2/domainnames/d/routingrules?maxResults=0", fault: validation,
		text: "1 validation error detected: Value '0' at 'maxResults'" + failed + "have value greater than or equal to 1"},
	{what: "several at once", method: "PUT", target: "/restapis/a/resources/r/methods/GET/integration/responses/9", body: `{"contentHandling":"wrong"}`, fault: validation,
		text: `2 validation errors detected: Value 'wrong' at 'putIntegrationResponseInput.contentHandling'` + failed +
			"satisfy enum value set: [CONVERT_TO_BINARY, CONVERT_TO_TEXT]; " + `Value '9' at 'statusCode'` + failed + `satisfy regular expression pattern: [1-5]\d\d`},
	{what: "constraints come before unknown members", method: "POST", target: "/restapis", body: `{"apiKeySource":"x","unknown":1}`, fault: validation,
		text: "2 validation errors detected: Value 'x' at 'createRestApiInput.apiKeySource'" + failed + "satisfy enum value set: [HEADER, AUTHORIZER]; " +
			"Value null at 'createRestApiInput.name'" + failed + "not be null"},
	{what: "the form comes before constraints", method: "POST", target: "/restapis", body: `{"apiKeySource":"x","name":1}`, fault: serialization,
		text: javaNumber + "an String"},
}
