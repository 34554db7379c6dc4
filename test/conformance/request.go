package conformance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// patience bounds one exchange with the gateway.
const patience = 40 * time.Second

// headerLine is one header line as it goes over the wire.
type headerLine struct{ name, value string }

// usual are the headers that the recording client sent when a case gives none.
var usual = []headerLine{
	{"User-Agent", "python-requests/2.28.2"}, {"Accept-Encoding", "gzip, deflate"}, {"Accept", "*/*"}, {"Connection", "keep-alive"},
}

// host is the execute-api host of an API.
func (r *run) host(api string) string {
	return api + ".execute-api." + r.target.Region + ".amazonaws.com"
}

// request writes a request to a socket, byte for byte as the case spells it, and reads the answer.
func (r *run) request(ctx context.Context, q *Request) (*answer, error) {
	text, err := r.spell(q)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, r.target.Data)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(text); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(conn), q.Method)
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: patience}
	return d.DialContext(ctx, "tcp", u.Host)
}

// spell is the whole request.
func (r *run) spell(q *Request) ([]byte, error) {
	api, err := r.scope.text(q.API)
	if err != nil {
		return nil, err
	}
	target, err := r.targetOf(q)
	if err != nil {
		return nil, err
	}
	body, isJSON, err := r.payload(q.Body)
	if err != nil {
		return nil, err
	}
	lines, err := r.headerLines(q.Headers)
	if err != nil {
		return nil, err
	}
	lines = append(lines, absentFrom(lines, headerLine{"Host", r.host(api)})...)
	lines = append(lines, absentFrom(lines, usual...)...)
	if isJSON {
		lines = append(lines, absentFrom(lines, headerLine{"Content-Type", "application/json"})...)
	}
	if chunked(lines) {
		body = inChunks(body)
	} else if q.Body != nil || q.Method != http.MethodGet && q.Method != http.MethodHead {
		lines = append(lines, absentFrom(lines, headerLine{"Content-Length", strconv.Itoa(len(body))})...)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\n", q.Method, target)
	for _, l := range lines {
		fmt.Fprintf(&out, "%s: %s\r\n", l.name, l.value)
	}
	out.WriteString("\r\n")
	out.Write(body)
	return out.Bytes(), nil
}

func chunked(lines []headerLine) bool {
	for _, l := range lines {
		if strings.EqualFold(l.name, "Transfer-Encoding") && strings.EqualFold(l.value, "chunked") {
			return true
		}
	}
	return false
}

// inChunks frames a body as its Transfer-Encoding says, in one chunk.
func inChunks(body []byte) []byte {
	if len(body) == 0 {
		return []byte("0\r\n\r\n")
	}
	return fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

// absentFrom are the lines whose names are not there yet.
func absentFrom(lines []headerLine, wanted ...headerLine) (out []headerLine) {
	for _, w := range wanted {
		there := false
		for _, l := range lines {
			there = there || strings.EqualFold(l.name, w.name)
		}
		if !there {
			out = append(out, w)
		}
	}
	return out
}

func (r *run) targetOf(q *Request) (string, error) {
	target, err := r.scope.text(q.Path)
	if err != nil {
		return "", err
	}
	switch {
	case q.RawQuery != nil && q.Query != nil:
		return "", errors.New("a request has rawQuery or query")
	case q.RawQuery != nil:
		query, err := r.scope.text(*q.RawQuery)
		return target + "?" + query, err
	case q.Query != nil:
		query, err := r.formEncoded(q.Query)
		return target + "?" + query, err
	}
	return target, nil
}

// formEncoded writes name → values in the order of the case.
func (r *run) formEncoded(raw json.RawMessage) (string, error) {
	lines, err := r.headerLines(raw)
	if err != nil {
		return "", err
	}
	var out []string
	for _, l := range lines {
		out = append(out, url.QueryEscape(l.name)+"="+url.QueryEscape(l.value))
	}
	return strings.Join(out, "&"), nil
}

// headerLines reads name → value or list of values.
func (r *run) headerLines(raw json.RawMessage) (out []headerLine, err error) {
	if kind(raw) == 0 {
		return nil, nil
	}
	list, err := members(raw)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		v, err := r.fill(m.value)
		if err != nil {
			return nil, err
		}
		values, isList := v.([]any)
		if !isList {
			values = []any{v}
		}
		for _, each := range values {
			out = append(out, headerLine{m.name, plain(each)})
		}
	}
	return out, nil
}

// payload is what a body or a message is, and whether it is JSON by its form.
func (r *run) payload(b *Bytes) (out []byte, isJSON bool, err error) {
	if b == nil {
		return nil, false, nil
	}
	var text string
	switch {
	case b.JSON != nil:
		text, err = r.jsonText(b.JSON)
		return []byte(text), true, err
	case b.Text != nil:
		text, err = r.scope.text(*b.Text)
		return []byte(text), false, err
	case b.Base64 != nil:
		out, err = base64.StdEncoding.DecodeString(*b.Base64)
		return out, false, err
	case b.Repeat != nil:
		text, err = repeated(b.Repeat)
		return []byte(text), false, err
	}
	return nil, false, errors.New("a body or message wants json, text, base64 or $repeat")
}

// readAnswer reads the final answer, and decodes its body as the recording client did.
func readAnswer(in *bufio.Reader, method string) (*answer, error) {
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, fmt.Errorf("no answer: %w", err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, fmt.Errorf("answer %d breaks off: %w", res.StatusCode, err)
		}
		if res.StatusCode/100 == 1 {
			continue
		}
		if res.ContentLength >= 0 && res.Header.Get("Content-Length") == "" {
			res.Header.Set("Content-Length", strconv.FormatInt(res.ContentLength, 10))
		}
		body = decoded(body, res.Header.Get("Content-Encoding"))
		return &answer{res.StatusCode, res.Header, body, bodyOf(body)}, nil
	}
}

// decoded undoes a content encoding; a body that only says to have one is left as it is.
func decoded(body []byte, encoding string) []byte {
	var in io.Reader
	var err error
	switch strings.ToLower(encoding) {
	case "gzip":
		in, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		in, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return body
	}
	if err != nil {
		return body
	}
	if out, err := io.ReadAll(in); err == nil {
		return out
	}
	return body
}
