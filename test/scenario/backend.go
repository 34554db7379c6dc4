package scenario

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

// Echo is a backend that answers any request with its own method and target, and counts them in the header X-Call. At /soap
// it is a SOAP service instead.
func Echo() http.Handler {
	var calls atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/soap" {
			soap(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Call", strconv.FormatInt(calls.Add(1), 10))
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	})
}
