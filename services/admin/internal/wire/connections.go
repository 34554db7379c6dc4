package wire

import (
	"net/http"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
)

// ofStage takes the stage off /{stage}/@connections/{id}: SDKs are built with the stage in their endpoint
// (spec/websocket.md 21).
func ofStage(path string) (rest, stage string) {
	first, after, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || first == "" || !strings.HasPrefix(after, "@connections/") && !strings.HasPrefix(after, "%40connections/") {
		return path, ""
	}
	return "/" + after, first
}

// connectionsFailure is what @connections answers otherwise than the rest of the control plane: GoneException has no body,
// and a node that may come back is worth another try.
func connectionsFailure(e *fault.Error) answer {
	a := failure(e)
	switch e.Status {
	case http.StatusGone:
		a.body, a.contentType = nil, ""
	case http.StatusServiceUnavailable:
		a.header.Set("Retry-After", "2")
	}
	return a
}
