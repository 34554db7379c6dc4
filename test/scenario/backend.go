package scenario

import (
	"fmt"
	"net/http"
)

// Echo is a backend that answers any request with its own method and target.
func Echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
	})
}
