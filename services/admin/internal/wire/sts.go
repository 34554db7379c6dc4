package wire

import (
	"encoding/xml"
	"net/http"
	"net/url"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// stsNamespace is that of STS's answers.
const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type callerIdentity struct {
	XMLName xml.Name `xml:"GetCallerIdentityResponse"`
	XMLNS   string   `xml:"xmlns,attr"`
	Result  struct {
		Arn, UserId, Account string
	} `xml:"GetCallerIdentityResult"`
	Metadata struct {
		RequestId string
	} `xml:"ResponseMetadata"`
}

type stsError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	XMLNS   string   `xml:"xmlns,attr"`
	Error   struct {
		Type, Code, Message string
	}
	RequestId string
}

// sts answers the one operation of STS that Terraform and the SDKs need: GetCallerIdentity, by form or by query.
// spec/control-plane.md 12.1.
func (f *Face) sts(r *http.Request, query url.Values, body []byte, id string) (answer, string, identity.Caller) {
	action := query.Get("Action")
	if form, err := url.ParseQuery(string(body)); err == nil && action == "" {
		action = form.Get("Action")
	}
	if action == "" {
		return failure(fault.New("MissingAuthenticationTokenException", http.StatusForbidden, "Missing Authentication Token")), "", identity.Caller{}
	}
	caller, err := f.caller(r, body, []string{"sts"})
	if err == nil && action != "GetCallerIdentity" {
		err = fault.New("InvalidAction", http.StatusBadRequest, "Could not find operation "+action+" for version 2011-06-15")
	}
	if err != nil {
		return stsFailure(err, id), action, caller
	}
	v := callerIdentity{XMLNS: stsNamespace}
	v.Result.Arn, v.Result.UserId, v.Result.Account = caller.ARN, caller.Account, caller.Account
	v.Metadata.RequestId = id
	return answer{http.StatusOK, "text/xml", nil, marshal(v)}, action, caller
}

func stsFailure(e *fault.Error, id string) answer {
	v := stsError{XMLNS: stsNamespace, RequestId: id}
	v.Error.Type, v.Error.Code, v.Error.Message = "Sender", e.Name, e.Message
	return answer{e.Status, "text/xml", nil, marshal(v)}
}

func marshal(v any) []byte {
	b, err := xml.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
