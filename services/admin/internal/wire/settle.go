package wire

import (
	"context"
	"net/http"
	"strconv"
)

const (
	revisionHeader = "x-limen-revision"
	// pendingHeader tells that the edge did not serve the change when the answer went out.
	pendingHeader = "x-limen-pending"
)

// settle holds an answer that changed published state until the edge serves it, so that in one process a call right after a
// deployment meets it.
func (f *Face) settle(ctx context.Context, header http.Header) {
	text := header.Get(revisionHeader)
	if f.c.Settled == nil || text == "" {
		return
	}
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if !f.c.Settled(ctx, revision) {
		header.Set(pendingHeader, "1")
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
