// Package operation is what the operations of both API families have in common: they run as a caller over drafts, answer
// with revisions and warnings, page, and hold the same rules about tags. It knows no noun.
package operation

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// RevisionHeader carries, on answers that changed published state, the revision to wait for.
const RevisionHeader = "x-limen-revision"

// WarningHeader repeats once for each planned member that a deployment uses.
const WarningHeader = "x-limen-warning"

// Runner runs transactions as the caller of an operation. It is safe for concurrent use.
type Runner struct{ Store *draft.Store }

// Scope is the account and region of the caller.
func Scope(ctx context.Context) (draft.Scope, error) {
	c, err := identity.From(ctx)
	return draft.Scope{Account: c.Account, Region: c.Region, Actor: c.ARN}, err
}

// Read runs fn over one consistent state of the caller's account.
func (r Runner) Read(ctx context.Context, fn func(*draft.Tx) error) error {
	scope, err := Scope(ctx)
	if err != nil {
		return err
	}
	return r.Store.Read(ctx, scope, fn)
}

// Commit runs fn and commits what it wrote, at a revision.
func (r Runner) Commit(ctx context.Context, fn func(*draft.Tx) error) (int64, error) {
	scope, err := Scope(ctx)
	if err != nil {
		return 0, err
	}
	rev, err := r.Store.Update(ctx, scope, fn)
	if errors.Is(err, draft.ErrTooLarge) {
		err = fault.BadRequest("The request changes more than one transaction can hold. Please send it in parts.")
	}
	return rev, err
}

// Update is Commit for changes that nobody follows.
func (r Runner) Update(ctx context.Context, fn func(*draft.Tx) error) error {
	_, err := r.Commit(ctx, fn)
	return err
}

// Publish is Commit for changes that edges follow: the answer carries the revision.
func (r Runner) Publish(ctx context.Context, fn func(*draft.Tx) error) error {
	rev, err := r.Commit(ctx, fn)
	if err != nil {
		return err
	}
	return Announce(ctx, rev)
}

// Announce puts a revision on the answer.
func Announce(ctx context.Context, rev int64) error {
	return grpc.SetHeader(ctx, metadata.Pairs(RevisionHeader, strconv.FormatInt(rev, 10)))
}

// Warn puts the planned members that an API uses on the answer and into the log.
func Warn(ctx context.Context, api string, warnings []string) error {
	if len(warnings) == 0 {
		return nil
	}
	slog.WarnContext(ctx, "deployment uses planned members", "api_id", api, "members", warnings)
	md := metadata.MD{}
	md.Set(WarningHeader, warnings...)
	return grpc.SetHeader(ctx, md)
}

// UnknownAPI is the answer for an API that is not there.
func UnknownAPI(ctx context.Context, id string) error {
	c, err := identity.From(ctx)
	if err != nil {
		return err
	}
	return fault.NotFound("Invalid API identifier specified %s:%s", c.Account, id)
}

// page bounds of lists: spec/control-plane.md 2.
const (
	defaultLimit = 25
	maxLimit     = 500
)

// Page reads the entries of one page below a prefix; keep, when given, chooses among them. A limit below one is the
// default, as AWS takes it. parameter names the member that holds the position.
func Page(tx *draft.Tx, prefix, parameter, position string, limit int32, keep func(draft.Entry) (bool, error)) ([]draft.Entry, *string, error) {
	n := defaultLimit
	if limit > 0 {
		n = min(int(limit), maxLimit)
	}
	var failed error
	entries, next, err := tx.Page(prefix, position, n, func(e draft.Entry) bool {
		if keep == nil {
			return true
		}
		ok, err := keep(e)
		if err != nil {
			failed = err
		}
		return ok
	})
	switch {
	case errors.Is(err, draft.ErrPosition):
		return nil, nil, fault.BadRequest("Invalid %s parameter", parameter)
	case err != nil:
		return nil, nil, err
	case failed != nil:
		return nil, nil, failed
	case next == "":
		return entries, nil, nil
	}
	return entries, &next, nil
}

// CheckTags holds the rules of spec/control-plane.md 8.6.
func CheckTags(tags map[string]string) error {
	if len(tags) > 50 {
		return fault.BadRequest("A resource can have at most 50 tags, the request has %d", len(tags))
	}
	for k, v := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return fault.BadRequest("Invalid tag key '%s': a key has 1 to 128 characters", k)
		case utf8.RuneCountInString(v) > 256:
			return fault.BadRequest("Invalid value of tag '%s': a value has at most 256 characters", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return fault.BadRequest("Invalid tag key '%s': keys that begin with aws: are reserved", k)
		}
	}
	return nil
}

// Untag removes keys from tags; they come repeated, or as one list with commas. A key that is not there is no error.
func Untag(tags map[string]string, keys []string) {
	for _, given := range keys {
		if _, ok := tags[given]; ok { // a key may hold a comma itself
			delete(tags, given)
			continue
		}
		for _, key := range strings.Split(given, ",") {
			delete(tags, strings.TrimSpace(key))
		}
	}
}

// SharesContent tells whether another deployment of an API has the same frozen content.
func SharesContent(tx *draft.Tx, api, id, hash string) (bool, error) {
	entries, err := tx.Range(tx.Scope.Prefix(draft.Deployments, api))
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		r, err := draft.Decode(e.Value, nil)
		if err != nil {
			return false, err
		}
		if e.Name != id && r.ContentHash == hash {
			return true, nil
		}
	}
	return false, nil
}
