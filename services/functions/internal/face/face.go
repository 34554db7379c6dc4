// Package face is the HTTP face of the function host: Lambda's Invoke operation as AWS's SDKs and CLI send it.
//
// It does not authenticate: whoever serves it on an address that others reach puts the check of signatures before it.
package face

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/functions"
)

// maxPayload is Lambda's limit on a synchronous request.
const maxPayload = 6291456

// maxWait is longer than any function may take, initialisation included.
const maxWait = 16 * time.Minute

// Handler answers POST /2015-03-31/functions/{name}/invocations. Short names are completed from home.
func Handler(h functions.Host, home arn.Function) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		f, payload, err := request(w, r, home)
		if err != nil {
			refuse(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		header := r.Header
		result, failed := h.Invoke(ctx, f, payload, functions.Options{
			Type:          functions.InvocationType(header.Get("X-Amz-Invocation-Type")),
			ClientContext: header.Get("X-Amz-Client-Context"),
			TraceID:       header.Get("X-Amzn-Trace-Id"),
			LogTail:       header.Get("X-Amz-Log-Type") == "Tail",
		})
		if failed != nil {
			refuse(w, failed)
			return
		}
		answer(w, result)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, &functions.Error{Status: http.StatusNotFound, Type: "UnknownOperationException"})
	})
	return mux
}

// request reads which function is meant and what it gets.
func request(w http.ResponseWriter, r *http.Request, home arn.Function) (arn.Function, []byte, error) {
	bad := func(status int, kind, message string) (arn.Function, []byte, error) {
		return arn.Function{}, nil, &functions.Error{Status: status, Type: kind, Message: message}
	}
	name := r.PathValue("name")
	f, err := arn.ParseFunctionName(name, home)
	if err != nil {
		return bad(http.StatusBadRequest, "ValidationException", "1 validation error detected: Value '"+name+`' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`)
	}
	if q := r.URL.Query().Get("Qualifier"); q != "" {
		if f.Qualifier != "" && f.Qualifier != q {
			return bad(http.StatusBadRequest, "InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier.")
		}
		f.Qualifier = q
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return bad(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
	case err != nil:
		return bad(http.StatusBadRequest, "InvalidRequestContentException", "Could not read request body")
	case len(payload) > 0 && !json.Valid(payload):
		return bad(http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
	}
	return f, payload, nil
}

func answer(w http.ResponseWriter, r functions.Result) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Amzn-Requestid", r.RequestID)
	if r.ExecutedVersion != "" {
		header.Set("X-Amz-Executed-Version", r.ExecutedVersion)
	}
	if r.FunctionError != "" {
		header.Set("X-Amz-Function-Error", r.FunctionError)
	}
	if r.Log != nil {
		header.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(r.Log))
	}
	if r.Status != http.StatusNoContent {
		header.Set("Content-Length", strconv.Itoa(len(r.Payload)))
	}
	w.WriteHeader(r.Status)
	if r.Status != http.StatusNoContent {
		w.Write(r.Payload)
	}
}

// refuse writes an AWS error. Failures without an AWS name are the host's own.
func refuse(w http.ResponseWriter, err error) {
	var e *functions.Error
	if !errors.As(err, &e) {
		e = &functions.Error{Cause: err}
	}
	status, kind, message := e.Status, e.Type, e.Message
	origin := "User"
	if kind == "" {
		status, kind, message, origin = http.StatusInternalServerError, "ServiceException", "The function host could not run the function.", "Service"
	}
	body := map[string]string{"Type": origin, "Message": message}
	if kind == "TooManyRequestsException" {
		// AWS spells this one differently.
		body = map[string]string{"Type": origin, "message": message, "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
	}
	text, err := json.Marshal(body)
	if err != nil {
		text = nil // strings always marshal
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Amzn-Errortype", kind)
	if e.RequestID != "" {
		header.Set("X-Amzn-Requestid", e.RequestID)
	}
	w.WriteHeader(status)
	w.Write(text)
}
