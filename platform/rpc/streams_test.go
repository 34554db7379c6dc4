package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestServerStream(t *testing.T) {
	srv := &service{output: func(r *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		msg := &testpb.StreamingOutputCallResponse{}
		for i := range 100 { // more than any window, in one message that changes
			msg.Payload = body(fmt.Sprint(string(r.Payload.Body), i))
			if err := ss.Send(msg); err != nil {
				return err
			}
			msg.Payload.Body[0] = 'X'
		}
		return nil
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ss, err := c.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{Payload: body("n")})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			m, err := ss.Recv()
			if err != nil || string(m.Payload.Body) != fmt.Sprint("n", i) {
				t.Fatalf("message %d: %v, %v", i, m, err)
			}
		}
		for range 2 {
			if _, err := ss.Recv(); err != io.EOF {
				t.Errorf("after the end: %v", err)
			}
		}
	})
}

func TestClientStream(t *testing.T) {
	srv := &service{input: func(ss testpb.TestService_StreamingInputCallServer) error {
		sum := 0
		for {
			m, err := ss.Recv()
			if err == io.EOF {
				return ss.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
			}
			if err != nil {
				return err
			}
			if len(m.Payload.Body) == 0 {
				return status.Error(codes.InvalidArgument, "empty")
			}
			sum += len(m.Payload.Body)
		}
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ss, err := c.StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := ss.Send(&testpb.StreamingInputCallRequest{Payload: body("four")}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := ss.CloseAndRecv()
		if err != nil || got.AggregatedPayloadSize != 400 {
			t.Errorf("%v, %v", got, err)
		}

		ss, err = c.StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for err == nil { // the handler refuses the first; a sender learns that sooner or later
			err = ss.Send(&testpb.StreamingInputCallRequest{Payload: body("")})
		}
		if err != io.EOF {
			t.Errorf("send after the end: %v", err)
		}
		_, err = ss.CloseAndRecv()
		wantCode(t, err, codes.InvalidArgument)
	})
}

func TestClientStreamFailsAfterItsAnswer(t *testing.T) {
	srv := &service{input: func(ss testpb.TestService_StreamingInputCallServer) error {
		return errors.Join(ss.SendAndClose(&testpb.StreamingInputCallResponse{}), errors.New("disk is full"))
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ss, err := c.StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = ss.CloseAndRecv()
		wantCode(t, err, codes.Internal)
	})
}

func TestClientStreamWithoutAnAnswer(t *testing.T) {
	srv := &service{input: func(testpb.TestService_StreamingInputCallServer) error { return nil }}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ss, err := c.StreamingInputCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = ss.CloseAndRecv()
		wantCode(t, err, codes.Internal)
	})
}

func TestDuplex(t *testing.T) {
	srv := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		if err := ss.SendHeader(metadata.Pairs("hello", "there")); err != nil {
			return err
		}
		ss.SetTrailer(metadata.Pairs("good", "bye"))
		for {
			m, err := ss.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: m.Payload}); err != nil {
				return err
			}
		}
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		finished := make(chan error, 1)
		ss, err := c.FullDuplexCall(t.Context(), grpc.OnFinish(func(err error) { finished <- err }))
		if err != nil {
			t.Fatal(err)
		}
		header, err := ss.Header() // before any message
		if err != nil || len(header["hello"]) != 1 {
			t.Fatalf("header %v, %v", header, err)
		}
		for i := range 3 {
			text := fmt.Sprint("ping ", i)
			if err := ss.Send(&testpb.StreamingOutputCallRequest{Payload: body(text)}); err != nil {
				t.Fatal(err)
			}
			m, err := ss.Recv()
			if err != nil || string(m.Payload.Body) != text {
				t.Fatalf("%v, %v", m, err)
			}
		}
		if err := errors.Join(ss.CloseSend(), ss.CloseSend()); err != nil {
			t.Error(err)
		}
		if _, err := ss.Recv(); err != io.EOF {
			t.Errorf("end: %v", err)
		}
		if diff := cmp.Diff([]string{"bye"}, ss.Trailer()["good"]); diff != "" {
			t.Error(diff)
		}
		if err := <-finished; err != nil {
			t.Error(err)
		}
		if err := ss.Send(&testpb.StreamingOutputCallRequest{}); err == nil {
			t.Error("sent after CloseSend")
		}
	})
}

func TestStreamDeadline(t *testing.T) {
	srv := &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		<-ss.Context().Done()
		return ss.Context().Err()
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		ss, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err == nil {
			_, err = ss.Recv()
		}
		wantCode(t, err, codes.DeadlineExceeded)
	})
}

func TestStopEndsStreamsAndRefusesCalls(t *testing.T) {
	entered := make(chan struct{})
	srv := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		close(entered)
		<-ss.Context().Done()
		return ss.Context().Err()
	}}
	r := serve(t, srv, Config{StopTimeout: 10 * time.Millisecond})
	c := testpb.NewTestServiceClient(r.Local(Edge))
	ss, err := c.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	_, err = ss.Recv()
	wantCode(t, err, codes.Unavailable)
	_, err = c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
	wantCode(t, err, codes.Unavailable)
	_, err = c.FullDuplexCall(t.Context())
	wantCode(t, err, codes.Unavailable)
}
