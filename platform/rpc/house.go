package rpc

import "time"

// House are the rules of every rpc of the house. A test compares them with the generated services, so that an rpc
// without a row does not pass.
func House() Tables {
	followers := []Role{Edge, Authz, Wsconn, Metering, Cache, Functions}
	return Tables{
		Deadlines: map[string]time.Duration{
			// An import writes a whole API.
			"/limen.admin.v1.ApiGateway/*":              30 * time.Second,
			"/limen.admin.v1.ApiGatewayV2/*":            30 * time.Second,
			"/limen.admin.v1.ApiGatewayManagementApi/*": 10 * time.Second,
			"/limen.admin.v1.Admin/*":                   10 * time.Second,
			// Wait waits for edges; its request says how long.
			"/limen.admin.v1.Admin/Wait": 10 * time.Minute,

			"/limen.config.v1.Config/Follow": NoDeadline,
			"/limen.config.v1.Config/Report": 5 * time.Second,

			"/limen.edge.v1.Edge/Explain": 5 * time.Second,

			"/limen.metering.v1.Metering/*":       2 * time.Second,
			"/limen.metering.v1.Metering/Recalls": NoDeadline,
			"/limen.metering.v1.Metering/Usage":   10 * time.Second,
			"/limen.metering.v1.Metering/Extend":  10 * time.Second,
			// An authorizer and an integration, one after the other.
			"/limen.edge.v1.Edge/Invoke": 62 * time.Second,

			// As long as an integration may take: an authorizer is a function (spec/rest.md 3.5).
			"/limen.authz.v1.Authz/Authorize":       29 * time.Second,
			"/limen.authz.v1.Authz/VerifySignature": 5 * time.Second,

			// Edges wait much shorter: whoever waits longer for the cache than for the backend has no use for it.
			"/limen.cache.v1.Cache/*": time.Second,
		},
		Callers: map[string][]Role{
			// The faces of the control plane check signatures and tokens themselves.
			"/limen.admin.v1.ApiGateway/*":              {Anyone},
			"/limen.admin.v1.ApiGatewayV2/*":            {Anyone},
			"/limen.admin.v1.ApiGatewayManagementApi/*": {Anyone},
			"/limen.admin.v1.Admin/*":                   {Anyone},

			"/limen.config.v1.Config/*": followers,

			"/limen.edge.v1.Edge/Explain": {Admin, Edge},

			"/limen.metering.v1.Metering/*":      {Edge},
			"/limen.metering.v1.Metering/Usage":  {Admin},
			"/limen.metering.v1.Metering/Extend": {Admin},
			"/limen.edge.v1.Edge/Invoke":         {Wsconn},

			"/limen.authz.v1.Authz/Authorize":       {Edge},
			"/limen.authz.v1.Authz/VerifySignature": {Edge},

			"/limen.cache.v1.Cache/*": {Edge},
		},
		Idempotent: map[string]bool{
			"/limen.config.v1.Config/Report": true,
			"/limen.edge.v1.Edge/Explain":    true,
			// Leases and settlements carry the sequence of the lease they are about, and sums.
			"/limen.metering.v1.Metering/Lease":  true,
			"/limen.metering.v1.Metering/Settle": true,
			"/limen.metering.v1.Metering/Usage":  true,

			"/limen.authz.v1.Authz/VerifySignature": true,
		},
	}
}
