package wire

import (
	"bytes"
	"io"
	"net/http"

	"github.com/limen-gateway/limen/core/fault"
)

// lambdaPrefix begins Lambda's Invoke operation.
const lambdaPrefix = "/2015-03-31/functions/"

// lambda verifies the signature of an invocation and hands it to the functions host, for the caller's account.
func (f *Face) lambda(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		refuse(w, unreadable())
		return
	}
	caller, refused := f.caller(r, body, []string{"lambda"})
	var host http.Handler
	if refused == nil {
		if host = f.c.Lambda(caller.Region, caller.Account); host == nil {
			refused = fault.Unavailable("no functions host is in this process")
		}
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	host.ServeHTTP(w, r)
}

func refuse(w http.ResponseWriter, why *fault.Error) {
	a := failure(why)
	w.Header()["x-amzn-ErrorType"] = a.header["x-amzn-ErrorType"]
	w.Header().Set("Content-Type", a.contentType)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
