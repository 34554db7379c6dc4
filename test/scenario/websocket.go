package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/gorilla/websocket"
)

// webSocket makes a WebSocket API whose messages a function answers, sends one, and pushes to the connection that the
// function learned of.
func webSocket(ctx context.Context, w *World) (string, error) {
	api, err := w.SocketAPI(ctx)
	if err != nil {
		return "", err
	}
	if _, err := w.settle(ctx, api, "prod"); err != nil {
		return "", err
	}
	c, _, err := websocket.DefaultDialer.DialContext(ctx, strings.Replace(w.Data, "http", "ws", 1)+"/_aws/execute-api/"+api+"/prod", nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"action":"echo","n":1}`)); err != nil {
		return "", err
	}
	id, err := echoed(c, `{"action":"echo","n":1}`)
	if err != nil {
		return "", err
	}
	pusher := w.pusher()
	by, err := w.push(ctx, pusher, id, "pushed")
	if err != nil {
		return "", err
	}
	if _, text, err := c.ReadMessage(); err != nil || string(text) != "pushed" {
		return "", fmt.Errorf("the push arrives as %q, %v", text, err)
	}
	seen, err := pusher.GetConnection(ctx, &apigatewaymanagementapi.GetConnectionInput{ConnectionId: &id})
	if err != nil {
		return "", err
	}
	if _, err := pusher.DeleteConnection(ctx, &apigatewaymanagementapi.DeleteConnectionInput{ConnectionId: &id}); err != nil {
		return "", err
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return "", fmt.Errorf("after DeleteConnection the client sees %v", err)
	}
	return fmt.Sprintf("the function answered on connection %s from %s, %s pushed to it, the SDK closed it", id, *seen.Identity.SourceIp, by), nil
}

// push sends a text to a connection by the AWS CLI, or by the SDK on a machine without one, and says by which.
func (w *World) push(ctx context.Context, sdk *apigatewaymanagementapi.Client, id, text string) (by string, err error) {
	if exec.CommandContext(ctx, "aws", "--version").Run() != nil {
		_, err := sdk.PostToConnection(ctx, &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte(text)})
		return "the SDK (there is no AWS CLI here)", err
	}
	// Only a file is the same bytes to every version of the CLI.
	file, err := os.CreateTemp("", "push")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(text); err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "aws", "apigatewaymanagementapi", "post-to-connection", "--endpoint-url", w.Control+"/prod",
		"--connection-id", id, "--data", "fileb://"+file.Name())
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+w.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+w.Key.SecretAccessKey, "AWS_DEFAULT_REGION="+w.Region)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("aws apigatewaymanagementapi post-to-connection: %w: %s", err, out)
	}
	return "aws apigatewaymanagementapi post-to-connection", nil
}

// echoed reads the event that the function got and returns the connection id in it.
func echoed(c *websocket.Conn, body string) (string, error) {
	_, text, err := c.ReadMessage()
	if err != nil {
		return "", err
	}
	var e struct {
		Body           string
		RequestContext struct{ ConnectionID, RouteKey, EventType string }
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return "", fmt.Errorf("%s: %w", text, err)
	}
	if e.Body != body || e.RequestContext.RouteKey != "echo" || e.RequestContext.EventType != "MESSAGE" {
		return "", fmt.Errorf("the function got %s", text)
	}
	return e.RequestContext.ConnectionID, nil
}

// pusher is the SDK's client of @connections, at the control plane and with the stage in its endpoint.
func (w *World) pusher() *apigatewaymanagementapi.Client {
	return apigatewaymanagementapi.New(apigatewaymanagementapi.Options{
		BaseEndpoint: aws.String(w.Control + "/prod"), Region: w.Region,
		Credentials: credentials.NewStaticCredentialsProvider(w.Key.AccessKeyID, w.Key.SecretAccessKey, ""),
	})
}

// SocketAPI makes the API, its route echo to the function of that name, and the stage prod.
func (w *World) SocketAPI(ctx context.Context) (string, error) {
	v2 := apigatewayv2.New(apigatewayv2.Options{
		BaseEndpoint: aws.String(w.Control), Region: w.Region,
		Credentials: credentials.NewStaticCredentialsProvider(w.Key.AccessKeyID, w.Key.SecretAccessKey, ""),
	})
	api, err := v2.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("chat"), ProtocolType: types.ProtocolTypeWebsocket, RouteSelectionExpression: aws.String("$request.body.action")})
	if err != nil {
		return "", err
	}
	in, err := v2.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: api.ApiId, IntegrationType: types.IntegrationTypeAwsProxy, IntegrationMethod: aws.String("POST"), IntegrationUri: w.functionURI("echo")})
	if err != nil {
		return "", err
	}
	route, err := v2.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api.ApiId, RouteKey: aws.String("echo"), Target: aws.String("integrations/" + *in.IntegrationId), RouteResponseSelectionExpression: aws.String("$default")})
	if err != nil {
		return "", err
	}
	if _, err := v2.CreateRouteResponse(ctx, &apigatewayv2.CreateRouteResponseInput{ApiId: api.ApiId, RouteId: route.RouteId, RouteResponseKey: aws.String("$default")}); err != nil {
		return "", err
	}
	deployed, err := v2.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: api.ApiId})
	if err != nil {
		return "", err
	}
	_, err = v2.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: aws.String("prod"), DeploymentId: deployed.DeploymentId})
	return *api.ApiId, err
}
