// Package conformance judges a gateway from outside by cases: what is called, requested and sent, and what AWS answered.
// The cases come from any folder, one subfolder for each area with a cases.json in it; operations.json beside them says how
// each control-plane call travels. Calls are signed, requests are written to a socket as a case spells them, WebSocket
// scripts are played, and fake backends stand where a case wants functions, HTTP servers, an OpenID issuer or AWS services.
//
// A case is read strictly: a member, an operator or a placeholder that the runner does not know fails the case, and so does
// a case that looked at nothing. What cannot be faked is skipped with its reason. Cases without steps are judged by the tests
// of the packages that own these languages: they are run, and their verdicts counted here with the others.
//
// The surprise: what a case starts from is an account of its own. With fewer root keys than cases an account is emptied
// before it is used again.
package conformance
