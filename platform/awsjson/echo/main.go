// Command echo is a program for the proof of the codec, and for nothing else: it decodes AWS's REST-JSON requests to
// messages and shows them as protojson, and encodes messages given as protojson to AWS's answers. A driver that knows only
// the real SDK compares both sides. It keeps one request and one answer; drivers run one call at a time.
//
//	GET  /_echo/request           the last request: {"operation", "message"}
//	PUT  /_echo/answer            protojson of the answer to give to the next calls; empty for an empty message
//	PUT  /_echo/answer?status=&error=&message=   a fault to answer with
//
// With -swap Structure:memberA,memberB two wire names of the table trade places, so that the proof can see itself fail.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/platform/awsjson"
	"github.com/limen-gateway/limen/proto/aws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address; the one taken is printed as the first line")
	swap := flag.String("swap", "", "service.Structure:memberA,memberB whose wire names trade places")
	flag.Parse()
	if err := serve(*listen, *swap); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, swap string) error {
	table, err := swapped(swap)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, l.Addr())
	return http.Serve(l, &echo{table: table})
}

func swapped(swap string) (*awsjson.Table, error) {
	var facts []*aws.Service
	for _, name := range aws.Services {
		s, err := aws.Load(name)
		if err != nil {
			return nil, err
		}
		facts = append(facts, s)
	}
	if swap == "" {
		return awsjson.NewTableOf(facts)
	}
	where, members, _ := strings.Cut(swap, ":")
	service, structure, _ := strings.Cut(where, ".")
	a, b, _ := strings.Cut(members, ",")
	for _, s := range facts {
		if s.Name == service && s.Structures[structure] != nil {
			if err := swapWire(s.Structures[structure], a, b); err != nil {
				return nil, err
			}
			return awsjson.NewTableOf(facts)
		}
	}
	return nil, fmt.Errorf("swap: no structure %s", where)
}

func swapWire(s *aws.Structure, a, b string) error {
	var found []*aws.Member
	for i := range s.Members {
		if m := &s.Members[i]; m.Name == a || m.Name == b {
			found = append(found, m)
		}
	}
	if len(found) != 2 {
		return fmt.Errorf("swap: the structure has no members %s and %s", a, b)
	}
	found[0].Wire, found[1].Wire = found[1].Wire, found[0].Wire
	return nil
}

type echo struct {
	table *awsjson.Table

	mu        sync.Mutex
	operation string
	message   []byte
	answer    []byte
	fault     *fault.Error
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch r.URL.Path {
	case "/_echo/request":
		_ = json.NewEncoder(w).Encode(map[string]any{"operation": e.operation, "message": json.RawMessage(e.message)})
	case "/_echo/answer":
		e.answer, e.fault = body, faultOf(r)
	default:
		e.call(w, r, body)
	}
}

func faultOf(r *http.Request) *fault.Error {
	name := r.URL.Query().Get("error")
	if name == "" {
		return nil
	}
	status, _ := strconv.Atoi(r.URL.Query().Get("status"))
	return fault.New(name, status, r.URL.Query().Get("message"))
}

func (e *echo) call(w http.ResponseWriter, r *http.Request, body []byte) {
	query := r.URL.Query()
	op, labels, known := e.table.Match(r.Method, r.URL.EscapedPath(), query)
	if op == nil {
		fail(w, fault.NotFound("no operation for %s %s (path known: %v)", r.Method, r.URL.EscapedPath(), known))
		return
	}
	msg, f := op.Decode(awsjson.Request{Labels: labels, Query: query, Header: r.Header, Body: body})
	if f == nil {
		f = e.fault
	}
	if f != nil {
		fail(w, f)
		return
	}
	e.operation = op.Service + "." + op.Name
	var err error
	if e.message, err = protojson.Marshal(msg); err != nil {
		fail(w, fault.New("EchoFault", http.StatusInternalServerError, err.Error()))
		return
	}
	out := op.Output()
	if len(e.answer) > 0 {
		if err := protojson.Unmarshal(e.answer, out); err != nil {
			fail(w, fault.New("EchoFault", http.StatusInternalServerError, err.Error()))
			return
		}
	}
	write(w, op.Encode(out))
}

func fail(w http.ResponseWriter, f *fault.Error) {
	h := http.Header{"Content-Type": {"application/json"}, "X-Amzn-Errortype": {f.Name}}
	write(w, awsjson.Response{Status: f.Status, Header: h, Body: awsjson.ErrorBody(f.Message)})
}

func write(w http.ResponseWriter, r awsjson.Response) {
	for k, v := range r.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body)
}
