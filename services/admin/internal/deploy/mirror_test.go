package deploy

import (
	"log/slog"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// TestReportsWakeNoFollower: else each follower would answer its own report with the next one.
func TestReportsWakeNoFollower(t *testing.T) {
	configuration := draft.Scope{Account: "123456789012", Region: "us-east-1"}.Key(draft.Functions, "f")
	tests := []struct {
		name string
		keys []string
		want bool
	}{
		{"report", []string{followersKey + "edge/a"}, false},
		{"number", []string{numbersKey + "edge/a", lastNumber + "edge"}, false},
		{"progress", nil, false},
		{"configuration", []string{configuration}, true},
		{"configuration and report", []string{configuration, followersKey + "edge/a"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMirror(nil, slog.New(slog.DiscardHandler))
			wait := m.since("", 0).wait
			response := clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: 7}}
			for _, key := range tt.keys {
				response.Events = append(response.Events, &clientv3.Event{Type: clientv3.EventTypeDelete, Kv: &mvccpb.KeyValue{Key: []byte(key)}})
			}
			m.apply(response)
			woken := false
			select {
			case <-wait:
				woken = true
			default:
			}
			if now := m.since("", 7).revision; woken != tt.want || now != 7 {
				t.Errorf("woken %v at revision %d, want %v at 7", woken, now, tt.want)
			}
		})
	}
}
