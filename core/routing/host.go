package routing

import "strings"

// Form is the way by which a request names its API and stage (spec/rest.md 1.6).
type Form uint8

// The forms. HostForm is the default endpoint; the others are the path forms for environments without wildcard DNS.
const (
	NoForm       Form = iota
	HostForm          // {api}.execute-api.{region}.{suffix}/{stage}/…
	HeaderForm        // x-apigw-api-id: {api}, path /{stage}/…
	AWSPathForm       // /_aws/execute-api/{api}/{stage}/…
	RestAPIsForm      // /restapis/{api}/{stage}/_user_request_/…
)

// Target is the API and stage a request names.
type Target struct {
	Form  Form
	API   string
	Stage string // "" when the path has no stage segment
	Path  string // the path for resource matching, beginning with a slash, as on the wire
	full  string
}

// ContextPath is requestContext.path: stage and path as on the wire. It allocates only in the _user_request_ form,
// where the two do not lie side by side.
func (t *Target) ContextPath() string {
	if t.full == "" && t.Form == RestAPIsForm {
		t.full = "/" + t.Stage + t.Path
	}
	return t.full
}

const executeAPI = ".execute-api."

// HostAPI extracts the API id from {api}.execute-api.{region}.{suffix}, {api}.execute-api.localhost and
// {api}-{vpce}.execute-api…; suffixes are the configured domains beyond amazonaws.com, amazonaws.com.cn and localhost.
// A port is ignored and the comparison ignores case.
func HostAPI(host string, suffixes []string) (api string, ok bool) {
	host = StripPort(host)
	i := indexFold(host, executeAPI)
	if i <= 0 {
		return "", false
	}
	api, rest := host[:i], host[i+len(executeAPI):]
	if strings.EqualFold(rest, "localhost") || strings.EqualFold(rest, "localhost.localdomain") {
		return firstLabel(api)
	}
	dot := strings.IndexByte(rest, '.')
	if dot <= 0 {
		return "", false
	}
	switch domain := rest[dot+1:]; {
	case strings.EqualFold(domain, "amazonaws.com"), strings.EqualFold(domain, "amazonaws.com.cn"), strings.EqualFold(domain, "localhost"):
		return firstLabel(api)
	default:
		for _, s := range suffixes {
			if strings.EqualFold(domain, s) {
				return firstLabel(api)
			}
		}
	}
	return "", false
}

// firstLabel cuts "-vpce-…" off the label of a private endpoint alias.
func firstLabel(label string) (string, bool) {
	if strings.IndexByte(label, '.') >= 0 {
		return "", false
	}
	if i := strings.Index(label, "-vpce-"); i > 0 {
		label = label[:i]
	}
	return label, label != ""
}

// StripPort cuts the port off a Host value; brackets of an IPv6 address stay.
func StripPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		if strings.IndexByte(host, ':') == i || host[0] == '[' {
			return host[:i]
		}
	}
	return host
}

func indexFold(s, lower string) int {
	for i := 0; i+len(lower) <= len(s); i++ {
		if s[i] == '.' && strings.EqualFold(s[i:i+len(lower)], lower) {
			return i
		}
	}
	return -1
}

// PathTarget reads the path forms. ok is false when the path is none of them.
func PathTarget(path string) (Target, bool) {
	if rest, ok := strings.CutPrefix(path, "/_aws/execute-api/"); ok {
		api, rest, _ := strings.Cut(rest, "/")
		t := StageTarget(AWSPathForm, api, "/"+rest)
		return t, api != ""
	}
	rest, ok := strings.CutPrefix(path, "/restapis/")
	if !ok {
		return Target{}, false
	}
	api, rest, ok1 := strings.Cut(rest, "/")
	stage, rest, ok2 := strings.Cut(rest, "/")
	tail, ok3 := strings.CutPrefix(rest, "_user_request_")
	if !ok1 || !ok2 || !ok3 || api == "" || stage == "" || tail != "" && tail[0] != '/' {
		return Target{}, false
	}
	if tail == "" {
		tail = "/"
	}
	return Target{Form: RestAPIsForm, API: api, Stage: stage, Path: tail}, true
}

// StageTarget splits "/{stage}/rest" for an API that is already known. Extra slashes before the stage are not skipped:
// an empty stage segment is a missing stage.
func StageTarget(form Form, api, path string) Target {
	t := Target{Form: form, API: api, Path: "/", full: path}
	if path == "" || path[0] != '/' {
		return t
	}
	rest := path[1:]
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		t.Stage, t.Path = rest[:i], rest[i:]
	} else {
		t.Stage = rest
	}
	return t
}
