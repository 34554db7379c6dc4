package conformance

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// standIn is the small part of an AWS service that cases use.
type standIn interface {
	// do is one operation. params and answer have the names of the SDKs.
	do(operation string, params map[string]any) (map[string]any, *refusal)
}

// refusal is an error of a service.
type refusal struct {
	status        int
	code, message string
}

// blob is an answer's stream of bytes.
type blob []byte

// standInServices are the services whose operations a case may call.
var standInServices = []string{"s3", "sqs", "dynamodb", "kinesis", "events", "states"}

// standIns are the services by the kind of their backend.
var standIns = map[string]func(home string, f *fake) standIn{
	"aws-s3":       func(_ string, f *fake) standIn { return &bucket{fake: f, objects: map[string]object{}} },
	"aws-sqs":      newQueue,
	"aws-dynamodb": func(string, *fake) standIn { return &table{items: map[string]any{}} },
	"aws-kinesis":  newStream,
	"aws-events":   func(string, *fake) standIn { return bus{} },
	"aws-states":   newMachine,
}

// standIn does a step's operation on the fake of the case.
func (r *run) standIn(service, operation string, params map[string]any) (*answer, error) {
	for _, f := range r.scope.backends {
		if f.Kind != "aws-"+service || f.standIn == nil {
			continue
		}
		out, refused := f.standIn.do(operation, params)
		if refused != nil {
			body := map[string]any{"message": refused.message}
			return &answer{refused.status, http.Header{"X-Amzn-Errortype": {refused.code}}, []byte(compact(body)), body}, nil
		}
		return &answer{http.StatusOK, http.Header{}, []byte(compact(out)), out}, nil
	}
	return nil, fmt.Errorf("the case has no backend of %s", service)
}

// identifiers count up: they only have to differ.
var identifiers atomic.Int64

func newUUID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", identifiers.Add(1))
}

func unknownOperation(operation string) *refusal {
	return &refusal{http.StatusBadRequest, "UnknownOperationException", "the stand-in does not do " + operation}
}

func hexMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// faceOf speaks the wire of the service.
func faceOf(f *fake) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // recorded has read it already
		_, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch {
		case isJSON:
			serveJSON(w, f.standIn, operation, body)
		case f.Kind == "aws-s3":
			serveObjects(w, r, f.standIn, string(body))
		default:
			serveQuery(w, r, f.standIn, string(body))
		}
	})
}

// serveJSON is the protocol of most services: the operation is in a header.
func serveJSON(w http.ResponseWriter, s standIn, operation string, body []byte) {
	params := map[string]any{}
	if err := json.Unmarshal(body, &params); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"__type": "SerializationException", "message": err.Error()})
		return
	}
	out, refused := s.do(operation, params)
	w.Header().Set("X-Amzn-Requestid", newUUID())
	if refused != nil {
		writeJSON(w, refused.status, map[string]any{"__type": refused.code, "message": refused.message})
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// serveQuery is the protocol of SQS: a form with the operation in Action.
func serveQuery(w http.ResponseWriter, r *http.Request, s standIn, body string) {
	form, err := url.ParseQuery(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for name, values := range r.URL.Query() {
		form[name] = append(form[name], values...)
	}
	operation := form.Get("Action")
	out, refused := s.do(operation, queryParams(form))
	asJSON := strings.Contains(r.Header.Get("Accept"), "json")
	if refused != nil {
		status, text := refused.status, map[string]any{"Error": map[string]any{"Code": refused.code, "Message": refused.message, "Type": "Sender"}, "RequestId": newUUID()}
		writeForm(w, status, asJSON, "ErrorResponse", text)
		return
	}
	writeForm(w, http.StatusOK, asJSON, operation+"Response", map[string]any{
		operation + "Result": out, "ResponseMetadata": map[string]any{"RequestId": newUUID()},
	})
}

// queryParams gives the form the names of the SDKs.
func queryParams(form url.Values) map[string]any {
	out := map[string]any{}
	attributes := map[string]any{}
	for name := range form {
		if n, ok := strings.CutSuffix(name, ".Name"); ok && strings.HasPrefix(n, "MessageAttribute") {
			attributes[form.Get(name)] = map[string]any{"DataType": form.Get(n + ".Value.DataType"), "StringValue": form.Get(n + ".Value.StringValue")}
		} else {
			out[name] = form.Get(name)
		}
	}
	if len(attributes) > 0 {
		out["MessageAttributes"] = attributes
	}
	return out
}

func writeForm(w http.ResponseWriter, status int, asJSON bool, name string, v map[string]any) {
	if asJSON {
		writeJSON(w, status, map[string]any{name: v})
		return
	}
	var out strings.Builder
	out.WriteString(`<?xml version="1.0"?>`)
	writeXML(&out, name, v)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, out.String()) // the gateway may have gone
}

func writeXML(out *strings.Builder, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		out.WriteString("<" + name + ">")
		for _, k := range sorted(v) {
			writeXML(out, k, v[k])
		}
		out.WriteString("</" + name + ">")
	case []any:
		for _, each := range v {
			writeXML(out, name, each)
		}
	default:
		out.WriteString("<" + name + ">")
		_ = xml.EscapeText(out, []byte(plain(v))) // a builder takes everything
		out.WriteString("</" + name + ">")
	}
}

// queue is an SQS queue; its messages stay.
type queue struct {
	mu       sync.Mutex
	name     string
	messages []any
}

func newQueue(home string, f *fake) standIn {
	account := strings.Split(home, ":")[1]
	f.arn = "arn:aws:sqs:" + home + f.name
	f.url += "/" + account + "/" + f.name
	return &queue{name: f.name}
}

func (q *queue) do(operation string, params map[string]any) (map[string]any, *refusal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch operation {
	case "SendMessage":
		body, isText := params["MessageBody"].(string)
		if !isText || body == "" {
			return nil, &refusal{http.StatusBadRequest, "MissingParameter", "The request must contain the parameter MessageBody."}
		}
		m := map[string]any{"MessageId": newUUID(), "ReceiptHandle": newUUID(), "MD5OfBody": hexMD5(body), "Body": body}
		out := map[string]any{"MessageId": m["MessageId"], "MD5OfMessageBody": m["MD5OfBody"]}
		if a, ok := params["MessageAttributes"].(map[string]any); ok {
			m["MessageAttributes"] = a
			sum := hexMD5(attributesText(a))
			m["MD5OfMessageAttributes"], out["MD5OfMessageAttributes"] = sum, sum
		}
		q.messages = append(q.messages, m)
		return out, nil
	case "ReceiveMessage": // all there is, so a step's "collect" has nothing to wait for: a gateway answers after it has sent
		return map[string]any{"Messages": append([]any{}, q.messages...)}, nil
	}
	return nil, unknownOperation(operation)
}

// attributesText is what a sum of attributes is of; only that it differs with them matters here.
func attributesText(a map[string]any) string {
	var out []string
	for k, v := range a {
		out = append(out, k+compact(v))
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

// stream is a Kinesis stream with one shard.
type stream struct {
	mu        sync.Mutex
	name, arn string
	records   []any
}

const shard = "shardId-000000000000"

func newStream(home string, f *fake) standIn {
	f.arn = "arn:aws:kinesis:" + home + "stream/" + f.name
	return &stream{name: f.name, arn: f.arn}
}

func (s *stream) do(operation string, params map[string]any) (map[string]any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := params["StreamName"]; ok && name != s.name {
		return nil, &refusal{http.StatusBadRequest, "ResourceNotFoundException", "Stream " + plain(name) + " not found."}
	}
	switch operation {
	case "DescribeStreamSummary":
		return map[string]any{"StreamDescriptionSummary": map[string]any{"StreamName": s.name, "StreamARN": s.arn, "StreamStatus": "ACTIVE", "OpenShardCount": 1.0}}, nil
	case "DescribeStream":
		return map[string]any{"StreamDescription": map[string]any{"StreamName": s.name, "StreamARN": s.arn, "StreamStatus": "ACTIVE",
			"Shards": []any{map[string]any{"ShardId": shard}}}}, nil
	case "PutRecord":
		data, err := base64.StdEncoding.DecodeString(plain(params["Data"]))
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, "SerializationException", "Data is not base64"}
		}
		number := fmt.Sprintf("%056d", identifiers.Add(1))
		// The recording client printed bytes as its language writes them.
		s.records = append(s.records, map[string]any{"SequenceNumber": number, "PartitionKey": params["PartitionKey"], "Data": "b'" + string(data) + "'", "ApproximateArrivalTimestamp": 1.7e9})
		return map[string]any{"SequenceNumber": number, "ShardId": shard}, nil
	case "GetShardIterator":
		from := 0
		if params["ShardIteratorType"] == "LATEST" {
			from = len(s.records)
		}
		return map[string]any{"ShardIterator": "from:" + strconv.Itoa(from)}, nil
	case "GetRecords":
		from, err := strconv.Atoi(strings.TrimPrefix(plain(params["ShardIterator"]), "from:"))
		if err != nil || from > len(s.records) {
			return nil, &refusal{http.StatusBadRequest, "InvalidArgumentException", "Invalid ShardIterator."}
		}
		return map[string]any{"Records": append([]any{}, s.records[from:]...), "NextShardIterator": "from:" + strconv.Itoa(len(s.records)), "MillisBehindLatest": 0.0}, nil
	}
	return nil, unknownOperation(operation)
}

// bus is EventBridge's default bus.
type bus struct{}

func (bus) do(operation string, params map[string]any) (map[string]any, *refusal) {
	entries, ok := params["Entries"].([]any)
	switch {
	case operation != "PutEvents":
		return nil, unknownOperation(operation)
	case !ok || len(entries) == 0:
		return nil, &refusal{http.StatusBadRequest, "ValidationException", "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must not be null"}
	}
	ids := []any{}
	for range entries {
		ids = append(ids, map[string]any{"EventId": newUUID()})
	}
	return map[string]any{"Entries": ids, "FailedEntryCount": 0.0}, nil
}

// machine is an EXPRESS state machine that passes its input on.
type machine struct{ arn string }

func newMachine(home string, f *fake) standIn {
	f.arn = "arn:aws:states:" + home + "stateMachine:" + f.name
	return &machine{f.arn}
}

func (m *machine) do(operation string, params map[string]any) (map[string]any, *refusal) {
	if operation != "StartExecution" && operation != "StartSyncExecution" {
		return nil, unknownOperation(operation)
	}
	if params["stateMachineArn"] != m.arn {
		return nil, &refusal{http.StatusBadRequest, "StateMachineDoesNotExist", "State Machine Does Not Exist: '" + plain(params["stateMachineArn"]) + "'"}
	}
	name := newUUID()
	out := map[string]any{"executionArn": strings.Replace(m.arn, ":stateMachine:", ":express:", 1) + ":" + name + ":" + newUUID(), "startDate": 1.7e9}
	if operation == "StartSyncExecution" {
		out["status"], out["output"], out["stateMachineArn"], out["stopDate"] = "SUCCEEDED", plain(params["input"]), m.arn, 1.7e9
	}
	return out, nil
}
