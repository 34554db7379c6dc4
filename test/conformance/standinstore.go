package conformance

import (
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// bucket is an S3 bucket.
type bucket struct {
	*fake
	mu      sync.Mutex
	objects map[string]object
}

type object struct{ body, contentType string }

func (b *bucket) do(operation string, params map[string]any) (map[string]any, *refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if params["Bucket"] != b.name {
		return nil, &refusal{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}
	}
	key := plain(params["Key"])
	switch operation {
	case "PutObject":
		kind, given := params["ContentType"].(string)
		if !given || kind == "" {
			kind = "binary/octet-stream"
		}
		b.objects[key] = object{plain(params["Body"]), kind}
		return map[string]any{"ETag": etag(b.objects[key])}, nil
	case "GetObject":
		o, there := b.objects[key]
		if !there {
			return nil, &refusal{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
		}
		return map[string]any{"Body": blob(o.body), "ContentLength": float64(len(o.body)), "ContentType": o.contentType, "ETag": etag(o)}, nil
	case "DeleteObject":
		delete(b.objects, key)
		return map[string]any{}, nil
	}
	return nil, unknownOperation(operation)
}

func etag(o object) string { return `"` + hexMD5(o.body) + `"` }

// serveObjects is S3's wire: /bucket/key, or the bucket in the host.
func serveObjects(w http.ResponseWriter, r *http.Request, s standIn, body string) {
	operation := map[string]string{http.MethodPut: "PutObject", http.MethodGet: "GetObject", http.MethodHead: "GetObject", http.MethodDelete: "DeleteObject"}[r.Method]
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if name, _, found := strings.Cut(r.Host, ".s3."); found {
		bucket, key = name, strings.TrimPrefix(r.URL.Path, "/")
	}
	out, refused := s.do(operation, map[string]any{"Bucket": bucket, "Key": key, "Body": body, "ContentType": r.Header.Get("Content-Type")})
	w.Header().Set("X-Amz-Request-Id", "0000000000000000")
	if refused != nil {
		writeObjectError(w, refused, key)
		return
	}
	if tag, ok := out["ETag"].(string); ok {
		w.Header().Set("ETag", tag)
	}
	data, isObject := out["Body"].(blob)
	if !isObject {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
		}
		return
	}
	w.Header().Set("Content-Type", plain(out["ContentType"]))
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // the gateway may have gone
	}
}

func writeObjectError(w http.ResponseWriter, e *refusal, key string) {
	var out strings.Builder
	out.WriteString(xml.Header + "<Error>")
	for _, m := range [][2]string{{"Code", e.code}, {"Message", e.message}, {"Key", key}, {"RequestId", "0000000000000000"}, {"HostId", "0"}} {
		writeXML(&out, m[0], m[1])
	}
	out.WriteString("</Error>")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.status)
	_, _ = io.WriteString(w, out.String()) // the gateway may have gone
}

// table is a DynamoDB table with the string hash key id.
type table struct {
	mu    sync.Mutex
	items map[string]any
}

func (t *table) do(operation string, params map[string]any) (map[string]any, *refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch operation {
	case "PutItem":
		id, ok := at(params, "Item.id.S", false)
		if !ok {
			return nil, &refusal{http.StatusBadRequest, "ValidationException", "One or more parameter values were invalid: Missing the key id in the item"}
		}
		t.items[plain(id)] = params["Item"]
		return map[string]any{}, nil
	case "GetItem":
		id, _ := at(params, "Key.id.S", false)
		if item, ok := t.items[plain(id)]; ok {
			return map[string]any{"Item": item}, nil
		}
		return map[string]any{}, nil
	case "DeleteItem":
		id, _ := at(params, "Key.id.S", false)
		delete(t.items, plain(id))
		return map[string]any{}, nil
	case "Query", "Scan":
		return listed(t.fitting(operation, params)), nil
	}
	return nil, unknownOperation(operation)
}

// fitting are the items of a scan, or those whose id is the value of a query's condition.
func (t *table) fitting(operation string, params map[string]any) []any {
	out := []any{}
	values, _ := params["ExpressionAttributeValues"].(map[string]any)
	for _, id := range sorted(t.items) {
		if operation == "Scan" {
			out = append(out, t.items[id])
			continue
		}
		for _, v := range values {
			if text, _ := at(v, "S", false); text == id {
				out = append(out, t.items[id])
			}
		}
	}
	return out
}

func listed(items []any) map[string]any {
	return map[string]any{"Items": items, "Count": float64(len(items)), "ScannedCount": float64(len(items))}
}
