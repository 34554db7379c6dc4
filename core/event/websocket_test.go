package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func socket(change func(*Socket)) *Socket {
	s := &Socket{
		Type: Message, RouteKey: "enter", MessageID: "Kx2a9cXkoAMCJ-Q=", RequestID: "Kx2a9HqLIAMFx5A=",
		RequestTime: time.UnixMilli(1740997230456), ConnectedAt: time.UnixMilli(1740997200123), ConnectionID: "Kx2VrfPtoAMCJ9w=",
		DomainName: "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", Stage: "prod", APIID: "a1b2c3d4e5", SourceIP: "198.51.100.7",
		Body: `{"svc":"room","op":"enter"}`,
	}
	if change != nil {
		change(s)
	}
	return s
}

func TestAppendSocket(t *testing.T) {
	const tail = `"stage":"prod","connectedAt":1740997200123,"requestTimeEpoch":1740997230456,"identity":{"sourceIp":"198.51.100.7"},"requestId":"Kx2a9HqLIAMFx5A=","domainName":"a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com","connectionId":"Kx2VrfPtoAMCJ9w=","apiId":"a1b2c3d4e5"}`
	const begin = `"extendedRequestId":"Kx2a9HqLIAMFx5A=","requestTime":"03/Mar/2025:10:20:30 +0000","messageDirection":"IN",`
	for _, tt := range []struct {
		name   string
		change func(*Socket)
		want   string
	}{
		{"message", nil,
			`{"requestContext":{"routeKey":"enter","messageId":"Kx2a9cXkoAMCJ-Q=","eventType":"MESSAGE",` + begin + tail + `,"body":"{\"svc\":\"room\",\"op\":\"enter\"}","isBase64Encoded":false}`},
		{"empty message", func(s *Socket) { s.Body = "" },
			`{"requestContext":{"routeKey":"enter","messageId":"Kx2a9cXkoAMCJ-Q=","eventType":"MESSAGE",` + begin + tail + `,"body":"","isBase64Encoded":false}`},
		{"message with stage variables and authorizer", func(s *Socket) {
			s.StageVariables = []Field{{"v", "1"}}
			s.Authorizer = &Authorizer{PrincipalID: "me", IntegrationLatency: 12, Context: []Field{{"n", "7"}}}
		}, `{"stageVariables":{"v":"1"},"requestContext":{"routeKey":"enter","authorizer":{"principalId":"me","integrationLatency":12,"n":"7"},"messageId":"Kx2a9cXkoAMCJ-Q=","eventType":"MESSAGE",` + begin + tail + `,"body":"{\"svc\":\"room\",\"op\":\"enter\"}","isBase64Encoded":false}`},
		{"message of who signed", func(s *Socket) {
			s.AccessKey, s.AccountID, s.Caller, s.User, s.UserARN = "AKID", "1", "c", "u", "arn"
		}, `{"requestContext":{"routeKey":"enter","messageId":"Kx2a9cXkoAMCJ-Q=","eventType":"MESSAGE",` + begin +
			strings.Replace(tail, `"198.51.100.7"`, `"198.51.100.7","accessKey":"AKID","accountId":"1","caller":"c","user":"u","userArn":"arn"`, 1) + `,"body":"{\"svc\":\"room\",\"op\":\"enter\"}","isBase64Encoded":false}`},
		{"connect", func(s *Socket) {
			s.Type, s.RouteKey, s.MessageID = Connect, "$connect", ""
			s.Headers, s.Query = []Field{{"Host", "h"}, {"x-A", "1"}, {"x-A", "2"}}, []Field{{"q", "1"}}
		}, `{"headers":{"Host":"h","x-A":"2"},"multiValueHeaders":{"Host":["h"],"x-A":["1","2"]},"queryStringParameters":{"q":"1"},"multiValueQueryStringParameters":{"q":["1"]},"requestContext":{"routeKey":"$connect","eventType":"CONNECT",` + begin + tail + `,"isBase64Encoded":false}`},
		{"disconnect", func(s *Socket) {
			s.Type, s.RouteKey, s.MessageID = Disconnect, "$disconnect", ""
			s.DisconnectCode, s.DisconnectReason = 1005, "Client-side close frame status not set"
		}, `{"headers":{"Host":"a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com","x-api-key":"","X-Forwarded-For":"","x-restapi":""},"multiValueHeaders":{"Host":["a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"],"x-api-key":[""],"X-Forwarded-For":[""],"x-restapi":[""]},"requestContext":{"routeKey":"$disconnect","disconnectStatusCode":1005,"eventType":"DISCONNECT",` + begin + `"disconnectReason":"Client-side close frame status not set",` + tail + `,"isBase64Encoded":false}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := AppendSocket(nil, socket(tt.change))
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid(got) {
				t.Error("not JSON")
			}
		})
	}
}

func TestSocketUserAgent(t *testing.T) {
	got := string(AppendSocket(nil, socket(func(s *Socket) { s.UserAgent = "x" })))
	if want := `"identity":{"userAgent":"x","sourceIp":"198.51.100.7"}`; !strings.Contains(got, want) {
		t.Errorf("%s lacks %s", got, want)
	}
}

func TestAppendSocketAuthorizer(t *testing.T) {
	got := string(AppendSocketAuthorizer(nil, socket(func(s *Socket) { s.Type, s.RouteKey, s.MessageID = Connect, "$connect", "" }), "arn:x/prod/$connect"))
	want := `{"type":"REQUEST","methodArn":"arn:x/prod/$connect","headers":{},"multiValueHeaders":{},"queryStringParameters":{},"multiValueQueryStringParameters":{},"stageVariables":{},"requestContext":{"routeKey":"$connect","eventType":"CONNECT",`
	if len(got) < len(want) || got[:len(want)] != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
}

func TestAppendSocketError(t *testing.T) {
	got := string(AppendSocketError(nil, "Forbidden", "XDmENcnwIE0CFEQ=", "XDmGEE2RoE0FRdQ="))
	if want := `{"message": "Forbidden", "connectionId":"XDmENcnwIE0CFEQ=", "requestId":"XDmGEE2RoE0FRdQ="}`; got != want {
		t.Errorf("got %s", got)
	}
}
