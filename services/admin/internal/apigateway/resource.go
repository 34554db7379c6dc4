package apigateway

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sort"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// pathPart is a literal, {name} or {name+}. spec/rest.md 1.1.
var (
	literalPart  = regexp.MustCompile(`^[a-zA-Z0-9._\-,:$~]+$`)
	variablePart = regexp.MustCompile(`^\{[a-zA-Z0-9._-]+\+?\}$`)
)

func isVariable(part string) bool { return strings.HasPrefix(part, "{") }
func isGreedy(part string) bool   { return strings.HasSuffix(part, "+}") }

// resources is the tree of an API, by id. Paths are derived, never stored, so that moving a resource is one write.
type resources map[string]*apigatewayv1.Resource

func resourcesOf(a *draft.API) (resources, error) {
	all, err := draft.All(a, func() *apigatewayv1.Resource { return &apigatewayv1.Resource{} }, draft.Resources)
	rs := resources{}
	for _, r := range all {
		rs[r.GetId()] = r
	}
	return rs, err
}

// path derives the path of a resource from its ancestors.
func (rs resources) path(id string) string {
	var parts []string
	for r := rs[id]; r != nil && r.ParentId != nil; r = rs[r.GetParentId()] {
		parts = append(parts, r.GetPathPart())
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}

// view is a resource as faces show it, with its path.
func (rs resources) view(id string) *apigatewayv1.Resource {
	r := clone(rs[id])
	r.Path = ptr(rs.path(id))
	return r
}

// place checks that a part may stand below a parent; self is the resource being moved, or "".
func (rs resources) place(parentID, part, self string) error {
	if !literalPart.MatchString(part) && !variablePart.MatchString(part) {
		return fault.BadRequest("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	}
	parent := rs[parentID]
	if parent == nil {
		return unknownResource
	}
	if isGreedy(parent.GetPathPart()) {
		return fault.BadRequest("Cannot create a child of a resource with a greedy path variable: %s", parent.GetPathPart())
	}
	for id, sibling := range rs {
		if id == self || sibling.ParentId == nil || sibling.GetParentId() != parentID {
			continue
		}
		if sibling.GetPathPart() == part {
			return fault.Conflict("Another resource with the same parent already has this name: %s", part)
		}
		if isVariable(part) && isVariable(sibling.GetPathPart()) {
			return fault.BadRequest("A sibling (%s) of this resource already has a variable path part -- only one is allowed", sibling.GetPathPart())
		}
	}
	return nil
}

// below lists a resource and all its descendants.
func (rs resources) below(id string) []string {
	out := []string{id}
	for child, r := range rs {
		if r.ParentId != nil && r.GetParentId() == id {
			out = append(out, rs.below(child)...)
		}
	}
	return out
}

// CreateResource adds a child below the parent that the path names.
func (s *Service) CreateResource(ctx context.Context, req *apigatewayv1.CreateResourceRequest) (*apigatewayv1.Resource, error) {
	var out *apigatewayv1.Resource
	err := s.editAPI(ctx, req.GetRestApiId(), unknownResource, func(a *draft.API) error {
		rs, err := resourcesOf(a)
		if err != nil {
			return err
		}
		if rs[req.GetParentId()] == nil {
			return unknownResource
		}
		if err := rs.place(req.GetParentId(), req.GetPathPart(), ""); err != nil {
			return err
		}
		id := s.store.NewID(shortID)
		for rs[id] != nil {
			id = s.store.NewID(shortID)
		}
		r := &apigatewayv1.Resource{Id: &id, ParentId: req.ParentId, PathPart: req.PathPart}
		rs[id] = r
		out = rs.view(id)
		return a.Put(r, draft.Resources, id)
	})
	return out, err
}

// embedded tells whether a list asks for full methods.
func embedsMethods(embed *apigatewayv1.StringList) bool {
	return slices.Contains(embed.GetItems(), "methods")
}

// withMethods adds the methods of a resource: full ones, or an empty object for each verb; the member is absent when the
// resource has none.
func withMethods(a *draft.API, r *apigatewayv1.Resource, full bool) error {
	methods, err := draft.All(a, func() *apigatewayv1.Method { return &apigatewayv1.Method{} }, draft.Methods, r.GetId())
	if err != nil || len(methods) == 0 {
		return err
	}
	r.ResourceMethods = &apigatewayv1.MethodMap{Entries: map[string]*apigatewayv1.Method{}}
	for _, m := range methods {
		shown := &apigatewayv1.Method{}
		if full {
			shown = m
		}
		r.ResourceMethods.Entries[m.GetHttpMethod()] = shown
	}
	return nil
}

// GetResource answers one resource.
func (s *Service) GetResource(ctx context.Context, req *apigatewayv1.GetResourceRequest) (*apigatewayv1.Resource, error) {
	var out *apigatewayv1.Resource
	err := s.readAPI(ctx, req.GetRestApiId(), unknownResource, func(a *draft.API) error {
		rs, err := resourcesOf(a)
		if err != nil {
			return err
		}
		if rs[req.GetResourceId()] == nil {
			return unknownResource
		}
		out = rs.view(req.GetResourceId())
		return withMethods(a, out, embedsMethods(req.Embed))
	})
	return out, err
}

// GetResources pages through the resources of an API, in the order of their ids.
func (s *Service) GetResources(ctx context.Context, req *apigatewayv1.GetResourcesRequest) (*apigatewayv1.Resources, error) {
	out := &apigatewayv1.Resources{Items: &apigatewayv1.ResourceList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		rs, err := resourcesOf(a)
		if err != nil {
			return err
		}
		items, next, err := list(a.Tx(), a.Prefix(draft.Resources), req.Position, req.Limit, func() *apigatewayv1.Resource { return &apigatewayv1.Resource{} }, nil)
		if err != nil {
			return err
		}
		for _, r := range items {
			v := rs.view(r.GetId())
			if err := withMethods(a, v, embedsMethods(req.Embed)); err != nil {
				return err
			}
			out.Items.Items = append(out.Items.Items, v)
		}
		out.Position = next
		return nil
	})
	return out, err
}

// UpdateResource renames or moves a resource with its subtree.
func (s *Service) UpdateResource(ctx context.Context, req *apigatewayv1.UpdateResourceRequest) (*apigatewayv1.Resource, error) {
	var out *apigatewayv1.Resource
	id := req.GetResourceId()
	err := s.editAPI(ctx, req.GetRestApiId(), unknownResource, func(a *draft.API) error {
		rs, err := resourcesOf(a)
		if err != nil {
			return err
		}
		if rs[id] == nil {
			return unknownResource
		}
		changed := clone(rs[id])
		if err := patch.Resource.Apply(changed, req.PatchOperations); err != nil {
			return err
		}
		if len(req.PatchOperations.GetItems()) > 0 {
			if slices.Contains(rs.below(id), changed.GetParentId()) {
				return fault.BadRequest("Resources cannot be cyclical.")
			}
			if err := rs.place(changed.GetParentId(), changed.GetPathPart(), id); err != nil {
				return err
			}
		}
		rs[id] = changed
		out = rs.view(id)
		if err := withMethods(a, out, false); err != nil {
			return err
		}
		return a.Put(changed, draft.Resources, id)
	})
	return out, err
}

// errLarge tells that a subtree does not fit one transaction.
var errLarge = errors.New("the subtree is large")

// DeleteResource removes a resource with its subtree; a large one goes with a new generation of the API.
func (s *Service) DeleteResource(ctx context.Context, req *apigatewayv1.DeleteResourceRequest) (*emptypb.Empty, error) {
	err := s.editAPI(ctx, req.GetRestApiId(), unknownResource, func(a *draft.API) error {
		rs, err := resourcesOf(a)
		if err != nil {
			return err
		}
		doomed, err := rs.doomed(req.GetResourceId())
		if err != nil {
			return err
		}
		for _, id := range doomed {
			if err := a.Remove(draft.Resources, id); err != nil {
				return err
			}
			if err := a.RemoveBelow(draft.Methods, id); err != nil {
				return err
			}
		}
		if a.Tx().Large() {
			return errLarge
		}
		return nil
	})
	if errors.Is(err, errLarge) {
		err = s.deleteSubtree(ctx, req)
	}
	return empty, err
}

// doomed lists what goes with a resource.
func (rs resources) doomed(id string) ([]string, error) {
	r := rs[id]
	if r == nil {
		return nil, unknownResource
	}
	if r.ParentId == nil {
		return nil, fault.BadRequest("Root resource cannot be deleted.")
	}
	out := rs.below(id)
	sort.Strings(out)
	return out, nil
}

func (s *Service) deleteSubtree(ctx context.Context, req *apigatewayv1.DeleteResourceRequest) error {
	scope, err := operation.Scope(ctx)
	if err != nil {
		return err
	}
	_, err = s.store.ReplaceTree(ctx, scope, req.GetRestApiId(), func(t *draft.Tree) error {
		if t == nil {
			return unknownResource
		}
		doomed, err := resources(t.Resources).doomed(req.GetResourceId())
		for _, id := range doomed {
			delete(t.Resources, id)
			delete(t.Methods, id)
		}
		return err
	})
	return err
}
