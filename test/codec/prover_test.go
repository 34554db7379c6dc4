package codec

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// report is what a proof found.
type report struct {
	operations, requests, answers int
	refused                       int // empty values that the model forbids, refused by name
	unsendable                    int // empty values that the SDK leaves out
	failures                      []string
}

func (r *report) add(other report) {
	r.operations += other.operations
	r.requests += other.requests
	r.answers += other.answers
	r.refused += other.refused
	r.unsendable += other.unsendable
	r.failures = append(r.failures, other.failures...)
}

// prover proves the operations of one client, one call at a time.
type prover struct {
	report
	echo *echo
}

func everyOperation(string) bool { return true }

func prove(service string, e *echo, wanted func(operation string) bool) report {
	p := &prover{echo: e}
	for _, o := range newClient(service, e).operations() {
		if wanted(o.name) {
			p.operations++
			p.provenRequests(o)
			p.provenAnswers(o)
		}
	}
	return p.report
}

func (p *prover) fail(o operation, what, format string, args ...any) {
	p.failures = append(p.failures, fmt.Sprintf("%s.%s, %s: %s", o.client.service, o.name, what, fmt.Sprintf(format, args...)))
}

// acceptIsForced: the SDK sends its own Accept, whatever the member says (spec/control-plane.md 8.3).
const acceptIsForced = "GetExport"

func (p *prover) provenRequests(o operation) {
	if err := p.echo.answer(map[string]any{}); err != nil {
		p.fail(o, "answer", "%v", err)
		return
	}
	t := o.input()
	f := &filler{}
	full := reflect.New(t)
	full.Elem().Set(f.full(t, o.name))
	p.request(o, "every member", full)
	p.request(o, "only required", newInput(o))
	for _, path := range pathsOf(t) {
		p.provenMember(o, path)
	}
}

// provenMember sends one member at a time: filled, with each value of its enum, empty, and as a list of one empty value.
func (p *prover) provenMember(o operation, path path) {
	t, field := o.input(), path.leaf(o.input())
	with := func(v reflect.Value) reflect.Value {
		in := newInput(o)
		path.open(in.Elem(), v)
		return in
	}
	what := path.name(t)
	p.request(o, "only "+what, with((&filler{}).full(field.Type, field.Name)))
	for _, v := range enumValues(field.Type) {
		p.request(o, what+" "+v, with(reflect.ValueOf(v).Convert(field.Type)))
	}
	without := with(reflect.Value{})
	p.emptyRequest(o, path, "empty "+what, with(empty(field.Type)), without)
	if v, ok := hollow(field.Type); ok {
		p.emptyRequest(o, path, "hollow "+what, with(v), without)
	}
}

// request proves that the message holds what the input holds.
func (p *prover) request(o operation, what string, in reflect.Value) {
	if _, err := send(o, in); err != nil {
		p.fail(o, what, "%v", err)
		return
	}
	p.arrived(o, what, in)
}

func (p *prover) arrived(o operation, what string, in reflect.Value) {
	operation, got, err := p.echo.request()
	if err != nil {
		p.fail(o, what, "%v", err)
		return
	}
	p.requests++
	if want := o.client.service + "." + o.name; operation != want {
		p.fail(o, what, "arrived as %s", operation)
	}
	want := structTree(in.Elem(), false)
	if o.name == acceptIsForced {
		want.(map[string]any)["accepts"] = o.client.wire.last.accept
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.fail(o, what, "the message differs (- given, + arrived)\n%s", diff)
	}
}

// emptyRequest proves a member that is present and holds nothing. Where the SDK makes the same request as without the
// member, it can not be sent; where the model forbids it, the refusal names it.
func (p *prover) emptyRequest(o operation, path path, what string, in, without reflect.Value) {
	_, errWithout := send(o, without)
	plain := o.client.wire.last
	_, err := send(o, in)
	with := o.client.wire.last
	plain.status, with.status = 0, 0
	var notSent *smithy.SerializationError
	switch {
	case errors.As(err, &notSent), reflect.DeepEqual(plain, with):
		p.unsendable++
	case err == nil:
		p.arrived(o, what, in)
	case isRefusal(err, path.leaf(o.input()).Name):
		p.requests++
		p.refused++
	default:
		p.fail(o, what, "%v (without the member: %v)", err, errWithout)
	}
}

// isRefusal reports whether an error is the model's and names the member, or says that a path with an empty segment leads
// nowhere.
func isRefusal(err error, member string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	if api.ErrorCode() == "NotFoundException" {
		return member == "ConnectionId"
	}
	text := api.ErrorMessage()
	return api.ErrorCode() == "ValidationException" &&
		(strings.Contains(text, lowerFirst(member)+"' failed") || strings.Contains(text, lowerFirst(member)+"."))
}

// send calls the operation; members that the SDK asks for are filled in.
func send(o operation, in reflect.Value) (reflect.Value, error) {
	f := &filler{n: 2000}
	for {
		out, err := o.call(in)
		var missing smithy.InvalidParamsError
		if !errors.As(err, &missing) {
			return out, err
		}
		for _, e := range missing.Errs() {
			var param smithy.InvalidParamError
			if !errors.As(e, &param) {
				return out, err
			}
			_, member, _ := strings.Cut(param.Field(), ".")
			if err := complete(in.Elem(), member, f); err != nil {
				return out, err
			}
		}
	}
}

// alwaysTyped are operations whose answer's Content-Type is a member; an answer without it bears the usual one.
var alwaysTyped = map[string]bool{"GetExport": true, "GetSdk": true}

func (p *prover) provenAnswers(o operation) {
	in, t := newInput(o), o.output()
	full := reflect.New(t)
	full.Elem().Set((&filler{}).full(t, o.name))
	p.answer(o, in, "every member", full.Elem(), false)
	p.answer(o, in, "no member", reflect.New(t).Elem(), false)
	for _, path := range pathsOf(t) {
		field, what := path.leaf(t), path.name(t)
		with := func(v reflect.Value) reflect.Value {
			out := reflect.New(t).Elem()
			path.open(out, v)
			return out
		}
		p.answer(o, in, "only "+what, with((&filler{}).full(field.Type, field.Name)), false)
		if isBlob(field.Type) {
			continue // the raw body: empty and absent are one
		}
		p.answer(o, in, "empty "+what, with(empty(field.Type)), true)
		if v, ok := hollow(field.Type); ok {
			p.answer(o, in, "hollow "+what, with(v), true)
		}
	}
}

// answer proves that the SDK reads what the message holds. explicit writes plain false, 0 and "" too.
func (p *prover) answer(o operation, in reflect.Value, what string, want reflect.Value, explicit bool) {
	if err := p.echo.answer(structTree(want, explicit)); err != nil {
		p.fail(o, "answer, "+what, "%v", err)
		return
	}
	got, err := send(o, in)
	if err != nil {
		p.fail(o, "answer, "+what, "%v", err)
		return
	}
	p.answers++
	if status := o.client.wire.last.status; status < http.StatusOK || status >= http.StatusMultipleChoices {
		p.fail(o, "answer, "+what, "status %d", status)
	}
	if alwaysTyped[o.name] && want.FieldByName("ContentType").IsNil() {
		want.FieldByName("ContentType").Set(reflect.ValueOf(aws.String("application/json")))
	}
	if !reflect.DeepEqual(want.Interface(), got.Elem().Interface()) {
		p.fail(o, "answer, "+what, "the SDK reads another answer (- given, + read)\n%s",
			cmp.Diff(structTree(want, true), structTree(got.Elem(), true)))
	}
}
