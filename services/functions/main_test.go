package functions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/goleak"
)

// TestMain: started by the host, the test binary is the function; started by a test as a parent, it is a host.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("AWS_LAMBDA_RUNTIME_API") != "":
		function()
	case os.Getenv("LIMEN_TEST_PARENT") != "":
		parent()
	default:
		// A server that refused a body closes its side and waits half a second before it ends by itself; goleak's patience
		// is shorter when that was the last test.
		goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
	}
}

// order tells the function what to do.
type order struct {
	Do   string `json:"do"`
	Gate string `json:"gate,omitempty"` // an address to ask before anything else; its answer is the test's permission
}

// report is what the function answers.
type report struct {
	PID     int      `json:"pid"`
	Env     []string `json:"env,omitempty"`
	Version string   `json:"version"`
	ID      string   `json:"id"`
	ARN     string   `json:"arn"`
	Client  string   `json:"client,omitempty"`
}

// function is an ordinary Lambda program of the official library.
func function() {
	if address := os.Getenv("WITNESS"); address != "" {
		// Kept open as long as the process lives: its end is how a test sees the process end.
		if _, err := net.Dial("tcp", address); err != nil {
			panic(err)
		}
	}
	if len(os.Args) > 1 {
		misbehave(os.Args[1])
	}
	lambda.Start(handle)
}

func misbehave(how string) {
	switch how {
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	case "init-error":
		resp, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json",
			strings.NewReader(`{"errorMessage":"no database","errorType":"Init.Error"}`))
		if err == nil {
			resp.Body.Close()
		}
		os.Exit(1)
	}
}

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var o order
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if o.Gate != "" {
		resp, err := http.Get(o.Gate)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
	}
	lc, _ := lambdacontext.FromContext(ctx)
	switch o.Do {
	case "raw":
		return raw, nil
	case "error":
		return nil, errors.New("went wrong")
	case "panic":
		panic("help")
	case "exit":
		os.Exit(1)
	case "quit":
		os.Exit(0)
	case "big":
		return strings.Repeat("x", 7<<20), nil
	case "print":
		fmt.Println("to stdout", lc.AwsRequestID)
		fmt.Fprint(os.Stderr, "to stderr, without an end of line")
	case "flood":
		fmt.Print(strings.Repeat("x", 1<<20))
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
		select {}
	}
	r := report{PID: os.Getpid(), Version: lambdacontext.FunctionVersion, ID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn, Client: lc.ClientContext.Client.AppTitle}
	switch o.Do {
	case "env":
		r.Env = os.Environ()
	case "args":
		r.Env = os.Args[1:]
	}
	return r, nil
}

// parent hosts one function and calls it, then waits to be killed.
func parent() {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	s, err := New(Config{Declare: []Function{{Name: "f", Command: exe, Env: map[string]string{"WITNESS": os.Getenv("LIMEN_TEST_PARENT")}}}}, Deps{})
	if err != nil {
		panic(err)
	}
	go s.Run(context.Background())
	<-s.Ready()
	if _, err := s.Invoke(context.Background(), home("f"), []byte(`{}`), tail); err != nil {
		panic(err)
	}
	fmt.Println("served")
	io.Copy(io.Discard, os.Stdin)
	select {}
}
