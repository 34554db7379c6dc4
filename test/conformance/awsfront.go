package conformance

import (
	"net"
	"net/http"
	"regexp"
	"sync"
)

// AWS is one address for the stand-ins of all services: a gateway under test may be told to call it in place of AWS. A
// request goes to the stand-in of the case that runs, by the service that its signature or its host names.
type AWS struct {
	// URL is where it answers.
	URL    string
	server *http.Server

	mu       sync.Mutex
	backends map[string]*fake
}

// ServeAWS opens it.
func ServeAWS(listen string) (*AWS, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(listen, "0"))
	if err != nil {
		return nil, err
	}
	a := &AWS{URL: "http://" + l.Addr().String()}
	a.server = &http.Server{Handler: a}
	go func() { _ = a.server.Serve(l) }() // ends with Close
	return a, nil
}

// Close ends it.
func (a *AWS) Close() error { return a.server.Close() }

// of makes the stand-ins of a case the ones that answer.
func (a *AWS) of(backends map[string]*fake) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backends = backends
}

var (
	scopeService = regexp.MustCompile(`Credential=[^/]+/[0-9]+/[^/]+/([a-z0-9-]+)/aws4_request`)
	hostService  = regexp.MustCompile(`^(?:[^/]+\.)?(s3|sqs|dynamodb|kinesis|events|states)\.`)
)

// ServeHTTP hands a request to its service.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := ""
	if m := scopeService.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		service = m[1]
	} else if m := hostService.FindStringSubmatch(r.Host); m != nil {
		service = m[1]
	}
	a.mu.Lock()
	var found *fake
	for _, f := range a.backends {
		if f.Kind == "aws-"+service {
			found = f
		}
	}
	a.mu.Unlock()
	if found == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"message": "the case has no backend of " + service})
		return
	}
	found.recorded(faceOf(found)).ServeHTTP(w, r)
}
