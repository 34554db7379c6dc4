package conformance

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// servers are the HTTP backends by what they do, as the cases describe it.
var servers = map[string]func(*fake) http.Handler{
	"http-echo":             httpEcho,
	"http-return-body":      httpReturnBody,
	"http-status-from-path": httpStatusFromPath,
	"httpbin":               httpBin,
}

// fronted adds what the front of the recorded servers added to every answer; gateways pass it on under other names.
func fronted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "keep-alive")
		w.Header().Set("X-Amzn-Requestid", newUUID())
		w.Header().Set("X-Amzn-Trace-Id", r.Header.Get("X-Amzn-Trace-Id"))
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text := compact(v)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the gateway may have gone
}

// joined are the values of each name, joined with a comma.
func joined(values map[string][]string) map[string]any {
	out := map[string]any{}
	for name, list := range values {
		out[name] = strings.Join(list, ",")
	}
	return out
}

// allHeaders are the headers of a request with those that net/http keeps elsewhere.
func allHeaders(r *http.Request) map[string][]string {
	out := r.Header.Clone()
	out["Host"] = []string{r.Host}
	if r.ContentLength > 0 || len(r.TransferEncoding) == 0 && r.Header.Get("Content-Length") != "" {
		out["Content-Length"] = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	if len(r.TransferEncoding) > 0 {
		out["Transfer-Encoding"] = r.TransferEncoding
	}
	return out
}

func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// front are the headers that the front of the recorded server added to a request.
var front = map[string]string{"x-amzn-tls-cipher-suite": "ECDHE-RSA-AES128-GCM-SHA256", "x-amzn-tls-version": "TLSv1.2", "x-forwarded-port": "443", "x-forwarded-proto": "https"}

// httpEcho answers what it got. Some cases describe it without the headers of gateway and front.
func httpEcho(f *fake) http.Handler {
	fewer := strings.Contains(f.Describe, "are left out")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // recorded has read it already
		headers := map[string]any{}
		if !fewer {
			headers["x-forwarded-for"] = client(r)
			for name, v := range front {
				headers[name] = v
			}
		}
		for name, v := range joined(allHeaders(r)) {
			name = strings.ToLower(name)
			if !fewer || !strings.HasPrefix(name, "x-amzn") && !strings.HasPrefix(name, "x-forwarded-") {
				headers[name] = v
			}
		}
		writeJSON(w, http.StatusOK, map[string]any{
			"args": joined(r.URL.Query()), "data": string(body), "domain": r.Host, "headers": headers,
			"method": r.Method, "origin": client(r), "path": r.URL.Path,
		})
	})
}

func httpReturnBody(*fake) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body) // the gateway may have gone
	})
}

func httpStatusFromPath(*fake) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(path.Base(r.URL.Path))
		if err != nil || status < 200 || status > 599 {
			status = http.StatusNotFound
		}
		writeJSON(w, status, map[string]any{"status_code": status, "message": ""})
	})
}

func httpBin(*fake) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		if text, ok := strings.CutPrefix(r.URL.Path, "/status/"); ok {
			status, err := strconv.Atoi(text)
			if err != nil || status < 200 || status > 599 {
				status = http.StatusBadRequest
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			return
		}
		body, _ := io.ReadAll(r.Body) // recorded has read it already
		writeJSON(w, http.StatusOK, binAnswer(r, body))
	})
}

func binAnswer(r *http.Request, body []byte) map[string]any {
	out := map[string]any{
		"args": joined(r.URL.Query()), "data": string(body), "files": map[string]any{}, "form": map[string]any{},
		"headers": joined(allHeaders(r)), "json": nil, "origin": client(r), "url": "http://" + r.Host + r.URL.RequestURI(),
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if r.ParseForm() == nil {
			out["form"], out["data"] = joined(r.PostForm), ""
		}
	}
	var parsed any
	if json.Unmarshal(body, &parsed) == nil {
		out["json"] = parsed
	}
	return out
}
