package event

import (
	"strconv"
	"time"
)

// The event types of a WebSocket connection.
const (
	Connect    = "CONNECT"
	Message    = "MESSAGE"
	Disconnect = "DISCONNECT"
)

// Socket holds the facts of one WebSocket event (spec/websocket.md 8).
type Socket struct {
	Type         string // Connect, Message or Disconnect
	RouteKey     string
	MessageID    string // of a Message
	RequestID    string // the extended request id is the same
	RequestTime  time.Time
	ConnectedAt  time.Time
	ConnectionID string
	DomainName   string
	Stage        string
	APIID        string
	SourceIP     string
	UserAgent    string // left out when empty, as is all of the identity below
	AccessKey    string
	AccountID    string
	Caller       string
	User         string
	UserARN      string
	APIKey       string
	APIKeyID     string
	Authorizer   *Authorizer // of $connect, repeated in every later event; nil without one

	Headers        []Field // of a Connect
	Query          []Field // of a Connect
	StageVariables []Field
	Body           string // of a Message

	DisconnectCode   int
	DisconnectReason string
}

// AppendSocket appends the event as JSON, members in the order of AWS's samples. Unlike the events of REST APIs, what is
// not there is left out, never null.
func AppendSocket(dst []byte, s *Socket) []byte {
	dst = append(dst, '{')
	switch s.Type {
	case Connect:
		dst = appendBothMaps(dst, "headers", "multiValueHeaders", s.Headers)
		if len(s.Query) > 0 {
			dst = appendBothMaps(dst, "queryStringParameters", "multiValueQueryStringParameters", s.Query)
		}
	case Disconnect:
		dst = appendBothMaps(dst, "headers", "multiValueHeaders", goodbye(s.DomainName))
	}
	if len(s.StageVariables) > 0 {
		dst = appendObject(append(dst, `"stageVariables":`...), s.StageVariables, single)
		dst = append(dst, ',')
	}
	dst = appendSocketContext(append(dst, `"requestContext":`...), s)
	if s.Type == Message {
		dst = appendMember(append(dst, ','), "body", s.Body)
	}
	return append(dst, `,"isBase64Encoded":false}`...)
}

// goodbye are the headers that AWS puts into a DISCONNECT, although nothing was sent (trap 9).
func goodbye(host string) []Field {
	return []Field{{"Host", host}, {"x-api-key", ""}, {"X-Forwarded-For", ""}, {"x-restapi", ""}}
}

func appendBothMaps(dst []byte, singleName, multiName string, fields []Field) []byte {
	dst = appendObject(append(appendString(dst, singleName), ':'), fields, single)
	dst = append(appendString(append(dst, ','), multiName), ':')
	return append(appendObject(dst, fields, multi), ',')
}

// AppendSocketAuthorizer appends the event of a REQUEST authorizer of $connect: the CONNECT event with {} for what is not
// there (spec/websocket.md 11.3).
func AppendSocketAuthorizer(dst []byte, s *Socket, methodARN string) []byte {
	dst = append(dst, `{"type":"REQUEST"`...)
	dst = appendMember(append(dst, ','), "methodArn", methodARN)
	dst = append(dst, ',')
	dst = appendBothMaps(dst, "headers", "multiValueHeaders", s.Headers)
	dst = appendBothMaps(dst, "queryStringParameters", "multiValueQueryStringParameters", s.Query)
	dst = appendObject(append(dst, `"stageVariables":`...), s.StageVariables, single)
	dst = appendSocketContext(append(dst, `,"requestContext":`...), s)
	return append(dst, '}')
}

func appendSocketContext(dst []byte, s *Socket) []byte {
	dst = appendMember(append(dst, '{'), "routeKey", s.RouteKey)
	if s.Authorizer != nil {
		dst = appendAuthorizer(append(dst, `,"authorizer":`...), s.Authorizer)
	}
	dst = appendOptional(dst, "messageId", s.MessageID)
	if s.Type == Disconnect {
		dst = append(dst, `,"disconnectStatusCode":`...)
		dst = strconv.AppendInt(dst, int64(s.DisconnectCode), 10)
	}
	dst = appendMember(append(dst, ','), "eventType", s.Type)
	dst = appendMember(append(dst, ','), "extendedRequestId", s.RequestID)
	dst = append(dst, `,"requestTime":"`...)
	dst = s.RequestTime.UTC().AppendFormat(dst, clf)
	dst = append(dst, `","messageDirection":"IN"`...)
	if s.Type == Disconnect {
		dst = appendMember(append(dst, ','), "disconnectReason", s.DisconnectReason)
	}
	dst = appendMember(append(dst, ','), "stage", s.Stage)
	dst = append(dst, `,"connectedAt":`...)
	dst = strconv.AppendInt(dst, s.ConnectedAt.UnixMilli(), 10)
	dst = append(dst, `,"requestTimeEpoch":`...)
	dst = strconv.AppendInt(dst, s.RequestTime.UnixMilli(), 10)
	dst = append(dst, `,"identity":{`...)
	if s.UserAgent != "" {
		dst = append(appendMember(dst, "userAgent", s.UserAgent), ',')
	}
	dst = appendMember(dst, "sourceIp", s.SourceIP)
	dst = appendOptional(dst, "accessKey", s.AccessKey)
	dst = appendOptional(dst, "accountId", s.AccountID)
	dst = appendOptional(dst, "caller", s.Caller)
	dst = appendOptional(dst, "user", s.User)
	dst = appendOptional(dst, "userArn", s.UserARN)
	dst = appendOptional(dst, "apiKey", s.APIKey)
	dst = appendOptional(dst, "apiKeyId", s.APIKeyID)
	dst = appendMember(append(dst, "},"...), "requestId", s.RequestID)
	dst = appendMember(append(dst, ','), "domainName", s.DomainName)
	dst = appendMember(append(dst, ','), "connectionId", s.ConnectionID)
	dst = appendMember(append(dst, ','), "apiId", s.APIID)
	return append(dst, '}')
}

// AppendSocketError appends the error frame, which is also the body of a refused handshake: this spacing and no other
// (spec/websocket.md 3.2 and 19).
func AppendSocketError(dst []byte, message, connectionID, requestID string) []byte {
	dst = appendString(append(dst, `{"message": `...), message)
	dst = appendString(append(dst, `, "connectionId":`...), connectionID)
	dst = appendString(append(dst, `, "requestId":`...), requestID)
	return append(dst, '}')
}
