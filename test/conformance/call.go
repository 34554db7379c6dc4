package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Key is a root access key.
type Key struct{ Account, AccessKeyID, SecretAccessKey string }

// Target is the gateway under test.
type Target struct {
	// Control and Data are the URLs of the control plane and of the data plane.
	Control, Data string
	Region        string
	Keys          []Key
	// Shared says that others may have used the accounts.
	Shared bool
}

// revision is the header in which limen tells the revision of a change; another gateway has none.
const revision = "X-Limen-Revision"

// signed is one request to be signed.
type signed struct {
	service string
	host    string // of the execute-api host, which the data plane serves; of the control plane when empty
	method  string
	target  string // path and query, as on the wire
	accept  string
	body    string
}

// send signs a request and reads the answer.
func (t *Target) send(ctx context.Context, key Key, s signed) (*answer, error) {
	base := t.Control
	if s.host != "" {
		base = t.Data
	}
	req, err := http.NewRequestWithContext(ctx, s.method, base+s.target, strings.NewReader(s.body))
	if err != nil {
		return nil, err
	}
	if s.host != "" {
		req.Host = s.host
	}
	if s.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", s.accept)
	hash := sha256.Sum256([]byte(s.body))
	credentials := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(hash[:]), s.service, t.Region, time.Now()); err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return &answer{res.StatusCode, res.Header, text, bodyOf(text)}, nil
}

// management is the service whose calls go to a stage of an API.
const management = "apigatewaymanagementapi"

// call does a control-plane call and gives its answer the names of the SDKs.
func (r *run) call(ctx context.Context, name string, params json.RawMessage) (*answer, error) {
	filled, err := r.fill(params)
	if err != nil {
		return nil, err
	}
	values, _ := filled.(map[string]any)
	service, operation, _ := strings.Cut(name, ".")
	op, known := r.operations[name]
	switch {
	case !known && slices.Contains(standInServices, service):
		return r.standIn(service, operation, values)
	case !known:
		return nil, fmt.Errorf("operations.json has no %s", name)
	}
	s, err := request(service, op, values)
	if err != nil {
		return nil, err
	}
	if service == management {
		s.service, s.host, s.target = "execute-api", r.host(r.socketAPI), "/"+r.socketStage+s.target
	}
	a, err := r.target.send(ctx, r.key, s)
	if err != nil {
		return nil, err
	}
	if n := a.header.Get(revision); n != "" {
		r.revision = n
	}
	op.name(service, a)
	return a, nil
}

// request puts the members where the operation has them.
func request(service string, op Operation, params map[string]any) (signed, error) {
	s := signed{service: "apigateway", method: op.Method, accept: "application/json"}
	path, rawQuery, _ := strings.Cut(op.Path, "?")
	var query []string
	if rawQuery != "" {
		query = append(query, rawQuery)
	}
	rest := map[string]any{}
	for _, name := range sorted(params) {
		v := params[name]
		switch {
		case op.URI[name] != "":
			path = strings.ReplaceAll(path, "{"+op.URI[name]+"}", strings.ReplaceAll(url.QueryEscape(plain(v)), "+", "%20"))
		case op.Query[name] != "":
			query = append(query, queryOf(op.Query[name], v)...)
		case op.Header[name] == "Accept":
			s.accept = plain(v)
		case op.Header[name] != "":
			return s, fmt.Errorf("the runner does not send the header %s", op.Header[name])
		case name == op.Payload:
			s.body = plain(v)
		case name == "integrationHttpMethod": // the name in the SDKs, another on the wire
			rest["httpMethod"] = v
		default:
			rest[name] = v
		}
	}
	if strings.Contains(path, "{") {
		return s, fmt.Errorf("a member of the path %s is missing", path)
	}
	if op.Payload == "" && op.Method != http.MethodGet && op.Method != http.MethodDelete {
		s.body = compact(renamed(service, rest, lowerFirst))
	}
	slices.Sort(query)
	s.target = path
	if len(query) > 0 {
		s.target += "?" + strings.Join(query, "&")
	}
	return s, nil
}

// queryOf writes a member into the query; each entry of a map is a parameter of its own.
func queryOf(name string, v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			out = append(out, url.QueryEscape(k)+"="+url.QueryEscape(plain(v[k])))
		}
	case []any:
		for _, each := range v {
			out = append(out, name+"="+url.QueryEscape(plain(each)))
		}
	default:
		out = append(out, name+"="+url.QueryEscape(plain(v)))
	}
	return out
}

// name gives an answer the names of the SDKs.
func (op Operation) name(service string, a *answer) {
	if a.status >= 300 {
		return
	}
	object, ok := a.body.(map[string]any)
	if !ok || op.OutputPayload != "" {
		object = map[string]any{}
	}
	for member, wire := range op.OutputWireNames {
		if v, ok := object[wire]; ok && wire != member {
			delete(object, wire)
			object[member] = v
		}
	}
	for member, header := range op.OutputHeader {
		if v := a.header.Get(header); v != "" {
			object[member] = v
		}
	}
	if op.OutputPayload != "" {
		object[op.OutputPayload] = string(a.raw)
	}
	a.body = renamed(service, object, upperFirst)
}

// mapMembers are the members of the second model whose keys are the user's.
var mapMembers = []string{"RequestParameters", "ResponseParameters", "StageVariables", "Tags", "RequestModels", "ResponseModels",
	"RequestTemplates", "ResponseTemplates", "RouteSettings"}

// renamed changes the names of members between SDKs and wire; the first model has the same on both sides.
func renamed(service string, v any, rename func(string) string) any {
	if service == "apigateway" {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, each := range v {
			if object, ok := each.(map[string]any); ok && slices.Contains(mapMembers, upperFirst(k)) {
				out[rename(k)] = renamedValues(service, object, rename)
			} else {
				out[rename(k)] = renamed(service, each, rename)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = renamed(service, v[i], rename)
		}
		return out
	}
	return v
}

// renamedValues keeps the keys of a map; its values may be structures again.
func renamedValues(service string, object map[string]any, rename func(string) string) map[string]any {
	out := map[string]any{}
	for k, each := range object {
		if _, err := strconv.Atoi(k); err == nil { // a status, whose mappings have the user's keys too
			out[k] = each
		} else {
			out[k] = renamed(service, each, rename)
		}
	}
	return out
}

func lowerFirst(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func upperFirst(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func sorted(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }

// functionsPath is where limen takes declarations of functions, waitPath where it tells that edges have got to a revision.
const (
	functionsPath = "/_limen/v1/functions/"
	waitPath      = "/_limen/v1/wait"
)

// declare makes a function of a URL that takes the Lambda Invoke form.
func (t *Target) declare(ctx context.Context, key Key, name, address string) (*answer, error) {
	body := compact(map[string]any{"name": name, "url": address, "timeoutSeconds": 30})
	a, err := t.send(ctx, key, signed{service: "apigateway", method: http.MethodPut, target: functionsPath + url.PathEscape(name), accept: "application/json", body: body})
	if err == nil {
		err = succeeded(a)
	}
	return a, err
}

// settle waits until every edge has got to a revision.
func (t *Target) settle(ctx context.Context, key Key, revision string) error {
	if revision == "" {
		return nil
	}
	body := compact(map[string]any{"revision": revision, "timeoutMillis": "20000"})
	a, err := t.send(ctx, key, signed{service: "apigateway", method: http.MethodPost, target: waitPath, accept: "application/json", body: body})
	if err == nil {
		err = succeeded(a)
	}
	return err
}

// kinds of things that an account holds, in the order in which they can go.
var kinds = []struct{ list, id string }{
	{"/usageplans", "id"}, {"/restapis", "id"}, {"/v2/apis", "apiId"}, {"/apikeys", "id"}, {"/vpclinks", "id"},
}

// empty takes everything out of an account.
func (t *Target) empty(ctx context.Context, key Key) error {
	for _, k := range kinds {
		a, err := t.send(ctx, key, signed{service: "apigateway", method: http.MethodGet, target: k.list + "?limit=500", accept: "application/json"})
		if err != nil {
			return err
		}
		list, _ := at(a.body, "item", false)
		if list == nil {
			list, _ = at(a.body, "items", false)
		}
		items, _ := list.([]any)
		for _, item := range items {
			id, _ := at(item, k.id, false)
			if err := t.remove(ctx, key, k.list+"/"+plain(id), item); err != nil {
				return fmt.Errorf("empty the account: %s: %w", k.list, err)
			}
		}
	}
	return nil
}

// remove deletes one thing; a usage plan only goes when it has no stages.
func (t *Target) remove(ctx context.Context, key Key, path string, item any) error {
	stages, _ := at(item, "apiStages", false)
	list, _ := stages.([]any)
	patches := []any{}
	for _, s := range list {
		api, _ := at(s, "apiId", false)
		stage, _ := at(s, "stage", false)
		patches = append(patches, map[string]any{"op": "remove", "path": "/apiStages", "value": plain(api) + ":" + plain(stage)})
	}
	todo := []signed{{method: http.MethodDelete}}
	if len(patches) > 0 {
		todo = append([]signed{{method: http.MethodPatch, body: compact(map[string]any{"patchOperations": patches})}}, todo...)
	}
	for _, s := range todo {
		s.service, s.target, s.accept = "apigateway", path, "application/json"
		a, err := t.send(ctx, key, s)
		if err == nil {
			err = succeeded(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
