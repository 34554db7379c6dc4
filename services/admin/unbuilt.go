package admin

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// isUnbuilt tells whether an operation's embedded default answered.
func isUnbuilt(err error) bool {
	return status.Code(err) == codes.Unimplemented
}

// operationOf is the operation's name in a full method.
func operationOf(method string) string {
	return method[strings.LastIndexByte(method, '/')+1:]
}
