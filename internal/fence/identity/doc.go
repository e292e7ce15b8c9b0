// Package identity gives the members of a fence and its judge certificates, by which
// they know each other, on a Kubernetes that does not sign them itself.
//
// The fence has an authority of its own, in a Secret that its judges alone may read. A
// node's keeper asks by a CertificateSigningRequest, in the name of its service account.
// The API server notes there on which node the account's pod runs, and the judges sign
// for that node and no other. What these certificates are good for is to speak with the
// fence; the API server does not know their authority.
package identity
