package operator

import (
	"context"
	"net/url"
	"regexp"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/fault"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Bounds of a declaration. spec/rest.md 4.1 bounds what a caller waits for, Lambda the rest.
const (
	maxTimeoutSeconds = 900
	maxMemoryMiB      = 10240
	maxConcurrency    = 1000
)

var versionNumber = regexp.MustCompile(`^[1-9][0-9]*$`)

// PutFunction declares a function of the caller's account, or replaces its declaration.
func (s *Service) PutFunction(ctx context.Context, req *adminv1.PutFunctionRequest) (*snapshotv1.Function, error) {
	scope, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	f := proto.Clone(req.GetFunction()).(*snapshotv1.Function)
	if f == nil {
		f = &snapshotv1.Function{}
	}
	if err := checkFunction(f); err != nil {
		return nil, err
	}
	f.Account, f.Region = scope.Account, scope.Region
	return f, s.change(ctx, scope, func(tx *draft.Tx) error {
		key := scope.Key(draft.Functions, f.Name)
		r, err := tx.Get(key, nil)
		if err != nil {
			return err
		}
		return tx.Put(key, r, f)
	})
}

// change commits and tells the revision, which the functions host follows.
func (s *Service) change(ctx context.Context, scope draft.Scope, fn func(*draft.Tx) error) error {
	rev, err := s.store.Update(ctx, scope, fn)
	if err != nil {
		return err
	}
	return grpc.SetHeader(ctx, metadata.Pairs("x-limen-revision", strconv.FormatInt(rev, 10)))
}

func checkFunction(f *snapshotv1.Function) error {
	if !arn.IsFunctionName(f.Name) {
		return fault.BadRequest("name %q is no function name: 1 to 64 letters, digits, - and _", f.Name)
	}
	if err := checkRuns("", f.Command, f.Sample, f.Url); err != nil {
		return err
	}
	for _, b := range []struct {
		member string
		value  int32
		max    int32
	}{{"timeoutSeconds", f.TimeoutSeconds, maxTimeoutSeconds}, {"memoryMib", f.MemoryMib, maxMemoryMiB}, {"reservedConcurrency", f.ReservedConcurrency, maxConcurrency}} {
		if b.value < 0 || b.value > b.max {
			return fault.BadRequest("%s must be between 1 and %d, or left out for the default", b.member, b.max)
		}
	}
	for number, v := range f.Versions {
		if !versionNumber.MatchString(number) {
			return fault.BadRequest("versions: %q is no version number", number)
		}
		if err := checkRuns("versions."+number+".", v.GetCommand(), v.GetSample(), v.GetUrl()); err != nil {
			return err
		}
	}
	for alias, version := range f.Aliases {
		if !arn.IsQualifier(alias) || versionNumber.MatchString(alias) {
			return fault.BadRequest("aliases: %q is no alias name", alias)
		}
		if f.Versions[version] == nil && version != "$LATEST" {
			return fault.BadRequest("aliases.%s: version %q is not declared", alias, version)
		}
	}
	return nil
}

func checkRuns(where string, command []string, sample, target string) error {
	given := 0
	for _, is := range []bool{len(command) > 0, sample != "", target != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return fault.BadRequest("exactly one of %[1]scommand, %[1]ssample and %[1]surl must be given", where)
	}
	if target == "" {
		return nil
	}
	if u, err := url.Parse(target); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fault.BadRequest("%surl %q is no http or https URL", where, target)
	}
	return nil
}

func unknownFunction(scope draft.Scope, name string) error {
	return fault.New("ResourceNotFoundException", 404, "Function not found: arn:"+arn.Partition(scope.Region)+":lambda:"+scope.Region+":"+scope.Account+":function:"+name)
}

// GetFunction answers the declaration of one function.
func (s *Service) GetFunction(ctx context.Context, req *adminv1.GetFunctionRequest) (*snapshotv1.Function, error) {
	scope, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	f := &snapshotv1.Function{}
	return f, s.store.Read(ctx, scope, func(tx *draft.Tx) error {
		r, err := tx.Get(scope.Key(draft.Functions, req.Name), f)
		if err == nil && r == nil {
			return unknownFunction(scope, req.Name)
		}
		return err
	})
}

// ListFunctions answers all declarations of the account and region, by name.
func (s *Service) ListFunctions(ctx context.Context, _ *adminv1.ListFunctionsRequest) (*adminv1.ListFunctionsResponse, error) {
	scope, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	out := &adminv1.ListFunctionsResponse{}
	return out, s.store.Read(ctx, scope, func(tx *draft.Tx) error {
		entries, err := tx.Range(scope.Prefix(draft.Functions))
		if err != nil {
			return err
		}
		out.Functions, err = draft.Nouns(entries, func() *snapshotv1.Function { return &snapshotv1.Function{} })
		return err
	})
}

// DeleteFunction takes a declaration away; running invocations end.
func (s *Service) DeleteFunction(ctx context.Context, req *adminv1.GetFunctionRequest) (*emptypb.Empty, error) {
	scope, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.change(ctx, scope, func(tx *draft.Tx) error {
		key := scope.Key(draft.Functions, req.Name)
		ok, err := tx.Exists(key)
		if err != nil {
			return err
		}
		if !ok {
			return unknownFunction(scope, req.Name)
		}
		tx.Delete(key)
		return nil
	})
}
