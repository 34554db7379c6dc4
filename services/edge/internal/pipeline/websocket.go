package pipeline

import (
	"context"
	"regexp"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// The routes that no message selects by its own key.
const (
	ConnectRoute    = "$connect"
	DisconnectRoute = "$disconnect"
	DefaultRoute    = expression.DefaultKey
)

// Routes are the compiled routes of a WebSocket API. They are immutable.
type Routes struct {
	Selection  expression.Selection
	Expression string // the text of Selection
	ByKey      map[string]*exchange.Method
}

// Route is what Socket looks at.
type Route struct {
	Method
	Key string
	// Index is the route's place among the limits of a stage.
	Index int
	// TwoWay routes answer the sender (spec/websocket.md 17).
	TwoWay bool
	// NoTarget routes have no integration.
	NoTarget bool
	Required []Required
	// Models are nil for routes whose messages are not validated; else by the key that Model selects.
	Models  map[string]*exchange.RequestModel
	Model   expression.Selection
	Request SocketTemplates
	// Responses come in the order in which they are tried, $default last.
	Responses []SocketResponse
}

// Required is a parameter that a handshake must have.
type Required struct {
	Name   string
	Source expression.Source
}

// SocketTemplates are mapping templates by key.
type SocketTemplates struct {
	Selection expression.Selection
	ByKey     map[string]*mapping.Template
}

// choose takes the template of the key that the message, or the integration's answer to it, selects, else the default; nil
// when there is neither.
func (t *SocketTemplates) choose(x *exchange.Exchange) *mapping.Template {
	key, _ := t.Selection.ResponseKey(exchange.View(x.Request.Body), exchange.Values{X: x})
	if found := t.ByKey[key]; found != nil {
		return found
	}
	return t.ByKey[expression.DefaultKey]
}

// SocketResponse is a compiled integration response.
type SocketResponse struct {
	Key       string
	Pattern   *regexp.Regexp // nil: $default
	Templates SocketTemplates
}

// socketStep is one place in the order of WebSocket routes.
type socketStep struct {
	needed func(Route) bool
	phase  func(Route, *Services) exchange.Phase
}

func isRoute(key string) func(Route) bool {
	return func(r Route) bool { return servedRoute(r) && r.Key == key }
}

func servedRoute(r Route) bool { return r.Unserved == "" }

func calls(r Route) bool { return servedRoute(r) && !r.NoTarget }

// socket is the order of WebSocket APIs (spec/websocket.md 3.1 and 7). The end of a connection is never refused.
var socket = []socketStep{
	{func(r Route) bool { return r.Unserved != "" }, func(r Route, v *Services) exchange.Phase { return refuse(r.Method, v) }},
	{func(r Route) bool { return servedRoute(r) && r.Metered && r.Key != DisconnectRoute }, throttledRoute},
	{func(r Route) bool { return isRoute(ConnectRoute)(r) && r.Authorizer != nil && !r.Signed }, func(r Route, v *Services) exchange.Phase { return authorize(r.Method, v) }},
	{func(r Route) bool { return isRoute(ConnectRoute)(r) && r.Signed }, func(r Route, v *Services) exchange.Phase { return signed(r.Method, v) }},
	{func(r Route) bool { return isRoute(ConnectRoute)(r) && r.KeyRequired }, func(r Route, v *Services) exchange.Phase { return apiKey(r.Method, v) }},
	{func(r Route) bool { return isRoute(ConnectRoute)(r) && len(r.Required) > 0 }, required},
	{func(r Route) bool {
		return servedRoute(r) && r.NoTarget && r.Key != ConnectRoute && r.Key != DisconnectRoute
	}, noTarget},
	{func(r Route) bool {
		return calls(r) && r.Models != nil && r.Key != ConnectRoute && r.Key != DisconnectRoute
	}, validateMessage},
	{func(r Route) bool { return calls(r) && r.Integration.Type == exchange.Mock }, socketRequest},
	{calls, socketCall},
	{func(r Route) bool { return calls(r) && r.Integration.Type == exchange.Mock }, socketIntegrationResponse},
	{func(r Route) bool { return calls(r) && r.TwoWay }, reply},
}

// Socket compiles the phases of a route.
func Socket(r Route, v *Services) []exchange.Phase {
	var out []exchange.Phase
	for _, s := range socket {
		if s.needed(r) {
			out = append(out, s.phase(r, v))
		}
	}
	return out
}

// Run chooses the route of an event and runs its phases. A connection needs no $connect and no $disconnect route.
func (r *Routes) Run(ctx context.Context, x *exchange.Exchange) error {
	if err := r.choose(x); err != nil || x.Method == nil {
		return err
	}
	x.Record.Resource = x.Method.ResourcePath
	for _, phase := range x.Method.Phases {
		if err := phase(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

func (r *Routes) choose(x *exchange.Exchange) error {
	switch x.Socket.Event {
	case event.Connect:
		x.Method = r.ByKey[ConnectRoute]
		return nil
	case event.Disconnect:
		x.Method = r.ByKey[DisconnectRoute]
		return nil
	}
	key, ok := r.Selection.Key(exchange.View(x.Request.Body))
	if ok && key != ConnectRoute && key != DisconnectRoute {
		x.Method = r.ByKey[key]
	}
	if x.Method == nil {
		x.Method = r.ByKey[DefaultRoute]
	}
	if !ok {
		key = "nothing, since it is no JSON object"
	}
	if x.Method == nil {
		x.Record.Add(executionlog.PhaseRoute, executionlog.NoRoute, key, r.Expression, x.Scope.API)
		return gatewayresponse.Forbidden(nil)
	}
	x.Record.Add(executionlog.PhaseRoute, executionlog.RouteSelected, key, r.Expression, x.Method.ResourcePath)
	return nil
}

// required refuses handshakes without a parameter that $connect demands.
func required(r Route, _ *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		for _, p := range r.Required {
			if p.Source.Eval(exchange.Values{X: x}) == "" {
				x.Record.Add(executionlog.PhaseValidate, executionlog.ParameterMissing, p.Name)
				return gatewayresponse.Newf(gatewayresponse.BadRequestParameters, nil, "Missing required request parameters: [%s]", p.Name)
			}
		}
		return nil
	}
}

func noTarget(r Route, _ *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		x.Record.Add(executionlog.PhaseIntegration, executionlog.NoTarget, r.Key)
		return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
	}
}

// validateMessage checks a message against the model that it selects; without one it fails (spec/websocket.md 18).
func validateMessage(r Route, _ *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		text := exchange.View(x.Request.Body)
		key, _ := r.Model.Key(text)
		model := r.Models[key]
		if model == nil {
			model = r.Models[expression.DefaultKey]
		}
		refused := &gatewayresponse.Error{Type: gatewayresponse.BadRequestBody, Message: "Bad request body"}
		if model == nil {
			x.Record.Add(executionlog.PhaseValidate, executionlog.NoModel, key, r.Key)
			return refused
		}
		if failures := model.Schema.Check(text); failures != nil {
			x.Record.Add(executionlog.PhaseValidate, executionlog.BodyInvalid, model.Name, "the key "+key, reasons(failures))
			refused.Validation = failures.String()
			return refused
		}
		x.Record.Add(executionlog.PhaseValidate, executionlog.BodyValid, model.Name)
		return nil
	}
}

// socketRequest makes the request of a non-proxy integration.
func socketRequest(r Route, _ *Services) exchange.Phase {
	in := r.Integration
	return func(_ context.Context, x *exchange.Exchange) error {
		t := r.Request.choose(x)
		switch {
		case t != nil:
			return transformRequest(x, in.Type, t, x.Request.Body)
		case in.Passthrough == mapping.Never, in.Passthrough == mapping.WhenNoTemplates && len(r.Request.ByKey) > 0:
			x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.UnsupportedMediaType, "the key that the message selects", in.Passthrough)
			return gatewayresponse.New(gatewayresponse.UnsupportedMediaType, nil)
		default:
			x.Payload = x.Request.Body
			x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.RequestMapped, "the message, passed through")
		}
		return nil
	}
}

// socketCall calls the integration. A function's answer matters to $connect and to routes that answer; others take any.
func socketCall(r Route, v *Services) exchange.Phase {
	if r.Integration.Type == exchange.Mock {
		return v.Caller.Mock
	}
	answered := r.Key == ConnectRoute || r.TwoWay
	return func(ctx context.Context, x *exchange.Exchange) error { return v.Caller.SocketProxy(ctx, x, answered) }
}

// socketIntegrationResponse chooses by the status; its template is the frame (spec/websocket.md 16).
func socketIntegrationResponse(r Route, _ *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		x.Response.Status = 200
		if x.Backend.Status != 0 {
			x.Response.Status = x.Backend.Status
		}
		for i := range r.Responses {
			response := &r.Responses[i]
			if response.Pattern != nil && !response.Pattern.MatchString(x.Backend.Subject) {
				continue
			}
			x.Record.AddNumber(executionlog.PhaseIntegrationResponse, executionlog.ResponseSelected, int64(x.Response.Status), response.Key)
			if t := response.Templates.choose(x); t != nil {
				var err error
				x.Response.Body, err = transform(x, responseTemplate, t, mapping.ToText(x.Backend.Body))
				return err
			}
			return nil
		}
		subject := x.Backend.Subject
		if subject == "" {
			subject = "nothing"
		}
		x.Record.Add(executionlog.PhaseIntegrationResponse, executionlog.NoIntegrationResponse, subject)
		return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
	}
}

// reply sends the body to the sender as it is; an empty one is no frame.
func reply(Route, *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		if len(x.Response.Body) > 0 && x.Socket.Event == event.Message {
			x.Socket.Reply = x.Response.Body
		}
		return nil
	}
}
