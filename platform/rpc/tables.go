package rpc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// Role is what a process is in the house; it decides which rpcs it may call.
type Role string

// The roles of the house. Anyone stands in a row of Callers for callers without a role too: faces that the world sees,
// which check their callers themselves.
const (
	Admin     Role = "admin"
	Edge      Role = "edge"
	Authz     Role = "authz"
	Wsconn    Role = "wsconn"
	Metering  Role = "metering"
	Cache     Role = "cache"
	Functions Role = "functions"
	Entry     Role = "entry"
	Anyone    Role = "*"
)

// NoDeadline is the deadline of an rpc that may last for as long as its caller wants: a stream that follows something.
const NoDeadline time.Duration = 0

// Tables hold the rules of rpcs. A row's key is a full method (/limen.cache.v1.Cache/Get), or a whole service
// (/limen.admin.v1.ApiGateway/*), which a row for the method overrides. An rpc without a row in Deadlines or Callers is
// answered PermissionDenied; Check finds it before that.
type Tables struct {
	// Deadlines bound each rpc, on both sides, whatever the caller asks for.
	Deadlines map[string]time.Duration
	// Callers name the roles that may call an rpc.
	Callers map[string][]Role
	// Idempotent rpcs are tried again on another replica when the first is unavailable, or has not answered when half of the
	// deadline is over.
	Idempotent map[string]bool
}

// builtin are the rows of the services that every server has.
var builtin = Tables{
	Deadlines: map[string]time.Duration{
		"/grpc.health.v1.Health/*":                                       5 * time.Second,
		"/grpc.health.v1.Health/Watch":                                   NoDeadline,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      NoDeadline,
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": NoDeadline,
	},
	Callers: map[string][]Role{
		"/grpc.health.v1.Health/*":                    {Anyone},
		"/grpc.reflection.v1.ServerReflection/*":      {Anyone},
		"/grpc.reflection.v1alpha.ServerReflection/*": {Anyone},
	},
	Idempotent: map[string]bool{"/grpc.health.v1.Health/Check": true},
}

// idempotent reports whether a call may be made twice.
func (t Tables) idempotent(method string) bool {
	own, _ := find(t.Idempotent, method)
	every, _ := find(builtin.Idempotent, method)
	return own || every
}

// row are the rules of one rpc.
type row struct {
	deadline time.Duration
	callers  []Role
	public   bool // the world may call it: every status code crosses
}

func find[V any](table map[string]V, method string) (V, bool) {
	if v, ok := table[method]; ok {
		return v, true
	}
	v, ok := table[method[:strings.LastIndexByte(method, '/')+1]+"*"]
	return v, ok
}

// row finds the rules of a method; without rules for it nobody may call it.
func (t Tables) row(method string) row {
	for _, tables := range []Tables{t, builtin} {
		deadline, ok1 := find(tables.Deadlines, method)
		callers, ok2 := find(tables.Callers, method)
		if ok1 && ok2 {
			return row{deadline, callers, slices.Contains(callers, Anyone)}
		}
	}
	return row{}
}

// admits reports whether role may call.
func (r row) admits(role Role) bool {
	return r.public || role != "" && slices.Contains(r.callers, role)
}

// methods lists the full methods of a service.
func methods(d *grpc.ServiceDesc) []string {
	var out []string
	for _, m := range d.Methods {
		out = append(out, "/"+d.ServiceName+"/"+m.MethodName)
	}
	for _, s := range d.Streams {
		out = append(out, "/"+d.ServiceName+"/"+s.StreamName)
	}
	return out
}

// Check reports every rpc of the services that lacks a row, and every row that names one of these services but no rpc
// of it. A test calls it with all services of the house.
func (t Tables) Check(services ...*grpc.ServiceDesc) error {
	var problems []error
	known := map[string]bool{}
	for _, d := range services {
		known["/"+d.ServiceName+"/*"] = true
		for _, m := range methods(d) {
			known[m] = true
			if _, ok := find(t.Deadlines, m); !ok {
				problems = append(problems, fmt.Errorf("%s has no row in Deadlines", m))
			}
			if roles, _ := find(t.Callers, m); len(roles) == 0 {
				problems = append(problems, fmt.Errorf("%s has no row in Callers", m))
			}
		}
	}
	stale := func(table, key string) {
		service := key[:strings.LastIndexByte(key, '/')+1] + "*"
		if known[service] && !known[key] {
			problems = append(problems, fmt.Errorf("%s has the row %s, which is no rpc", table, key))
		}
	}
	for key := range t.Deadlines {
		stale("Deadlines", key)
	}
	for key := range t.Callers {
		stale("Callers", key)
	}
	for key := range t.Idempotent {
		stale("Idempotent", key)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}
