// Package arn reads and writes the Amazon Resource Names that API Gateway speaks: Lambda functions, integration URIs,
// execute-api resources and control-plane resources.
//
// It knows grammar only: whether a named thing exists, and who may use it, is asked elsewhere.
//
// The surprise: a resource part may itself hold colons and slashes (a Lambda integration URI holds a whole second ARN), so
// an ARN is split at its first five colons and never further until the kind of resource is known.
package arn

import (
	"errors"
	"strings"
)

// ARN is a resource name in its six parts; the leading "arn" is implied. Region and Account may be empty.
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	Resource  string
}

var (
	errPrefix   = errors.New("arn: wants arn: in front")
	errSections = errors.New("arn: needs six sections separated by colons")
	errEmpty    = errors.New("arn: partition, service and resource must not be empty")
)

// Parse splits an ARN. Partition, service and resource must be present; nothing else is judged. Whatever it accepts,
// String gives back byte for byte.
func Parse(s string) (ARN, error) {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return ARN{}, errPrefix
	}
	var part [4]string
	for i := range part {
		part[i], rest, ok = strings.Cut(rest, ":")
		if !ok {
			return ARN{}, errSections
		}
	}
	a := ARN{Partition: part[0], Service: part[1], Region: part[2], Account: part[3], Resource: rest}
	if a.Partition == "" || a.Service == "" || a.Resource == "" {
		return ARN{}, errEmpty
	}
	return a, nil
}

// String is the inverse of Parse.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Partition names the partition a region belongs to: China and the two US government regions have their own.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func partitionOr(partition, region string) string {
	if partition != "" {
		return partition
	}
	return Partition(region)
}

// isAccount reports whether s is an account id: twelve digits.
func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
