package test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	v2types "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/gorilla/websocket"

	"github.com/limen-gateway/limen/test/harness"
)

// startWithAccounts starts limen with the root keys of two accounts.
func startWithAccounts(t *testing.T) *harness.Limen {
	t.Helper()
	dir := t.TempDir()
	const keys = "111111111111 AKIDOFTHEFIRSTONE secret-of-the-first-one\n222222222222 AKIDOFTHESECONDONE secret-of-the-second-one\n"
	if err := os.WriteFile(filepath.Join(dir, "root-keys"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	return harness.Start(t, harness.Options{DataDir: dir})
}

// signedAPI makes and deploys an API whose method /things/{id} asks for a signature and answers with who signed. It
// returns the path of its stage.
func signedAPI(t *testing.T, l *harness.Limen) string {
	t.Helper()
	apis := apigateway.New(apigateway.Options{BaseEndpoint: &l.URL, Region: l.Region, Credentials: credentials.NewStaticCredentialsProvider(l.Keys[0].AccessKeyID, l.Keys[0].SecretAccessKey, "")})
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	api, err := apis.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("signed")})
	must(err)
	parent := api.RootResourceId
	for _, part := range []string{"things", "{id}"} {
		r, err := apis.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: api.Id, ParentId: parent, PathPart: &part})
		must(err)
		parent = r.Id
	}
	any, ok := aws.String("ANY"), aws.String("200")
	_, err = apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: parent, HttpMethod: any, AuthorizationType: aws.String("AWS_IAM")})
	must(err)
	_, err = apis.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api.Id, ResourceId: parent, HttpMethod: any, StatusCode: ok})
	must(err)
	_, err = apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: parent, HttpMethod: any, Type: types.IntegrationTypeMock,
		RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}, PassthroughBehavior: aws.String("WHEN_NO_TEMPLATES")})
	must(err)
	_, err = apis.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: api.Id, ResourceId: parent, HttpMethod: any, StatusCode: ok,
		ResponseTemplates: map[string]string{"application/json": `$context.identity.accessKey is $context.identity.userArn`}})
	must(err)
	_, err = apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")})
	must(err)
	return "/_aws/execute-api/" + *api.Id + "/prod"
}

// callers sign for execute-api and send to the URL.
var callers = []signer{
	{"AWS SDK for Go", "go", func(t *testing.T, l *harness.Limen, url string) {
		expectSigned(t, goSigned(t, signing{service: "execute-api", region: l.Region, key: l.Keys[0]}, "POST", url, `{"name":"by Go"}`))
	}},
	{"AWS SDK for Go, presigned", "go", func(t *testing.T, l *harness.Limen, url string) {
		expectSigned(t, goSigned(t, signing{service: "execute-api", region: l.Region, key: l.Keys[0], presigned: true}, "GET", url, ""))
	}},
	{"botocore", "python3", func(t *testing.T, l *harness.Limen, url string) { pythonCalls(t, l, "SigV4Auth", url) }},
	{"botocore, presigned", "python3", func(t *testing.T, l *harness.Limen, url string) { pythonCalls(t, l, "SigV4QueryAuth", url) }},
	{"curl", "curl", func(t *testing.T, l *harness.Limen, url string) {
		command(t, l, nil, "curl", "-sf", "--aws-sigv4", "aws:amz:"+l.Region+":execute-api", "--user", l.Keys[0].AccessKeyID+":"+l.Keys[0].SecretAccessKey,
			"-H", "Content-Type: application/json", "-d", `{"name":"by curl"}`, url)
	}},
}

func pythonCalls(t *testing.T, l *harness.Limen, auth, url string) {
	t.Helper()
	if exec.Command("python3", "-c", "import botocore.session").Run() != nil {
		t.Skip("botocore is not on this machine")
	}
	command(t, l, strings.NewReader("import urllib.request, botocore.session\n"+
		"from botocore.auth import *\nfrom botocore.awsrequest import AWSRequest\n"+
		"r = AWSRequest('GET', '"+url+"')\n"+
		auth+"(botocore.session.get_session().get_credentials(), 'execute-api', '"+l.Region+"').add_auth(r)\n"+
		"p = r.prepare()\nurllib.request.urlopen(urllib.request.Request(p.url, headers=dict(p.headers))).read()\n"), "python3", "-")
}

// TestSignedCalls: a method with AWS_IAM accepts what independent signers sign, and nothing with one byte of it changed.
func TestSignedCalls(t *testing.T) {
	l := startWithAccounts(t)
	trySigners(t, l, callers, signedAPI(t, l)+"/things/a-b?q=1")
}

// TestCallersRefused: the rules of signatures, one by one, with AWS's texts (spec/rest.md 3.7).
func TestCallersRefused(t *testing.T) {
	l := startWithAccounts(t)
	stage := signedAPI(t, l)
	id := strings.Split(stage, "/")[3]
	owner := func(change func(*signing)) signing {
		s := signing{service: "execute-api", region: l.Region, key: l.Keys[0]}
		if change != nil {
			change(&s)
		}
		return s
	}
	const mismatch = `{"message":"The request signature we calculated does not match the signature you provided. `
	for _, tt := range []struct {
		name    string
		signing signing
		header  string // Authorization, instead of a signature
		status  int
		kind    string
		body    string // what it begins with
	}{
		{"the owner", owner(nil), "", 200, "", l.Keys[0].AccessKeyID + " is arn:aws:iam::111111111111:root"},
		{"the owner, presigned", owner(func(s *signing) { s.presigned = true }), "", 200, "", l.Keys[0].AccessKeyID + " is arn:aws:iam::111111111111:root"},
		{"four minutes ago", owner(func(s *signing) { s.age = 4 * time.Minute }), "", 200, "", ""},
		{"too long ago", owner(func(s *signing) { s.age = 6 * time.Minute }), "", 403, "InvalidSignatureException", `{"message":"Signature expired: `},
		{"too early", owner(func(s *signing) { s.age = -6 * time.Minute }), "", 403, "InvalidSignatureException", `{"message":"Signature not yet current: `},
		{"an unsigned body", owner(func(s *signing) { s.payload = "UNSIGNED-PAYLOAD" }), "", 403, "InvalidSignatureException", mismatch},
		{"another region", owner(func(s *signing) { s.region = "xx-west-9" }), "", 403, "InvalidSignatureException", `{"message":"Credential should be scoped to a valid region, not 'xx-west-9'. "}`},
		{"another service", owner(func(s *signing) { s.service = "apigateway" }), "", 403, "InvalidSignatureException", `{"message":"Credential should be scoped to correct service: 'execute-api'. "}`},
		{"a session token", owner(func(s *signing) { s.session = "token" }), "", 403, "UnrecognizedClientException", `{"message":"The security token included in the request is invalid."}`},
		{"an unknown key", owner(func(s *signing) { s.key.AccessKeyID = "AKIDOFNOBODY" }), "", 403, "UnrecognizedClientException", `{"message":"The security token included in the request is invalid."}`},
		{"another secret", owner(func(s *signing) { s.key.SecretAccessKey = "another" }), "", 403, "InvalidSignatureException", mismatch},
		{"another account", owner(func(s *signing) { s.key = l.Keys[1] }), "", 403, "AccessDeniedException",
			`{"Message":"User: arn:aws:iam::222222222222:root is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:` + l.Region + `:********1111:` + id + `/prod/POST/things/a%20b"}`},
		{"a token", signing{}, "Bearer abc", 403, "IncompleteSignatureException", `{"message":"'abc' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer abc'."}`},
		{"nothing", signing{}, "", 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, body := l.URL+stage+"/things/a%20b?x=%2F&a=b+c", `{"a":1}`
			var req *http.Request
			if tt.signing.service != "" {
				req = goSigned(t, tt.signing, "POST", url, body)
			} else {
				req, _ = http.NewRequest("POST", url, strings.NewReader(body))
				req.Header.Set("Authorization", tt.header)
			}
			if status, kind, text := answered(t, req); status != tt.status || kind != tt.kind || !strings.HasPrefix(text, tt.body) {
				t.Errorf("%d %s %s", status, kind, text)
			}
		})
	}
}

// TestSignedHTTP2: over HTTP/2 the authority is the host that was signed.
func TestSignedHTTP2(t *testing.T) {
	l := startWithAccounts(t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	owner := signing{service: "execute-api", region: l.Region, key: l.Keys[0]}
	url := l.URL + signedAPI(t, l) + "/things/a%20b?x=%2F"
	for name, change := range map[string]func(*http.Request){
		"as signed":    nil,
		"another host": func(r *http.Request) { r.Host = "localhost" },
		"another body": func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":2}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			req, want := goSigned(t, owner, "POST", url, `{"a":1}`), 200
			if change != nil {
				change(req)
				want = 403
			}
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if text, _ := io.ReadAll(res.Body); res.StatusCode != want || res.ProtoMajor != 2 {
				t.Errorf("%s %d %s", res.Proto, res.StatusCode, text)
			}
		})
	}
}

// TestSignedConnect: $connect with AWS_IAM opens for the owner, by header and presigned, and for nobody else.
func TestSignedConnect(t *testing.T) {
	l := startWithAccounts(t)
	url := l.URL + "/_aws/execute-api/" + signedSocket(t, l) + "/prod"
	dial := func(req *http.Request) (int, string) {
		t.Helper()
		c, res, err := websocket.DefaultDialer.Dial(strings.Replace(req.URL.String(), "http", "ws", 1), req.Header)
		if res == nil {
			t.Fatal(err)
		}
		if err == nil {
			_ = c.Close()
		}
		return res.StatusCode, res.Header.Get("x-amzn-ErrorType")
	}
	unsigned, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	owner := signing{service: "execute-api", region: l.Region, key: l.Keys[0]}
	presigned, other := owner, owner
	presigned.presigned, other.key = true, l.Keys[1]
	changed := goSigned(t, owner, "GET", url, "")
	changed.URL.RawQuery = "q=1"
	for _, tt := range []struct {
		name   string
		req    *http.Request
		status int
		kind   string
	}{
		{"unsigned", unsigned, 403, "MissingAuthenticationTokenException"},
		{"the owner", goSigned(t, owner, "GET", url, ""), 101, ""},
		{"the owner, presigned", goSigned(t, presigned, "GET", url, ""), 101, ""},
		{"changed", changed, 403, "InvalidSignatureException"},
		{"another account", goSigned(t, other, "GET", url, ""), 403, "AccessDeniedException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, kind := dial(tt.req); status != tt.status || kind != tt.kind {
				t.Errorf("%d %s", status, kind)
			}
		})
	}
}

// signedSocket makes and deploys a WebSocket API whose $connect asks for a signature, and returns its id.
func signedSocket(t *testing.T, l *harness.Limen) string {
	t.Helper()
	apis := apigatewayv2.New(apigatewayv2.Options{BaseEndpoint: &l.URL, Region: l.Region, Credentials: credentials.NewStaticCredentialsProvider(l.Keys[0].AccessKeyID, l.Keys[0].SecretAccessKey, "")})
	ctx := context.Background()
	api, err := apis.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("signed"), ProtocolType: v2types.ProtocolTypeWebsocket, RouteSelectionExpression: aws.String("$request.body.action")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apis.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api.ApiId, RouteKey: aws.String("$connect"), AuthorizationType: v2types.AuthorizationTypeAwsIam}); err != nil {
		t.Fatal(err)
	}
	d, err := apis.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: api.ApiId})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apis.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: aws.String("prod"), DeploymentId: d.DeploymentId}); err != nil {
		t.Fatal(err)
	}
	return *api.ApiId
}
