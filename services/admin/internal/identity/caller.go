// Package identity knows who calls the control plane: the root key of an account today, users and roles later. The front
// that has proved an identity attaches it to the call; operations read it back and act in its account alone. It crosses
// to the operation as metadata, and a call from outside never brings its own.
package identity

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/limen-gateway/limen/core/fault"
)

// Caller is who calls, and in which region.
type Caller struct {
	Account, Region string
	// ARN names the caller: arn:aws:iam::{account}:root.
	ARN string
	// AccessKeyID is what the call was proved with.
	AccessKeyID string
}

// RootARN is the ARN of an account's root.
func RootARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// Metadata keys. A call from outside never brings its own: Incoming overwrites them.
const (
	accountKey = "limen-account"
	regionKey  = "limen-region"
	arnKey     = "limen-arn"
	accessKey  = "limen-access-key"
)

// Attach makes a context whose calls act for the caller.
func Attach(ctx context.Context, c Caller) context.Context {
	return metadata.AppendToOutgoingContext(ctx, accountKey, c.Account, regionKey, c.Region, arnKey, c.ARN, accessKey, c.AccessKeyID)
}

// From reads the caller of an operation. A call without one was never proved.
func From(ctx context.Context) (Caller, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	c := Caller{Account: first(md, accountKey), Region: first(md, regionKey), ARN: first(md, arnKey), AccessKeyID: first(md, accessKey)}
	if c.Account == "" || c.Region == "" {
		return Caller{}, fault.New("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
	}
	return c, nil
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Incoming makes the context of a call from outside act for the proved caller, whatever metadata it brought.
func Incoming(ctx context.Context, c Caller) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	md = md.Copy()
	md.Set(accountKey, c.Account)
	md.Set(regionKey, c.Region)
	md.Set(arnKey, c.ARN)
	md.Set(accessKey, c.AccessKeyID)
	return metadata.NewIncomingContext(ctx, md)
}
