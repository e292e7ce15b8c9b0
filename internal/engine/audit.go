package engine

import (
	"os"
	"path/filepath"
)

// AuditPolicy is where an administrator may say, in Kubernetes' words, which
// requests the API server is to write down (kind Policy of audit.k8s.io/v1). It is
// read when the engine starts.
func (p Paths) AuditPolicy() string { return p.configFile("audit-policy.yaml") }

// AuditLog is where it writes them, a line of JSON each.
func (p Paths) AuditLog() string { return filepath.Join(filepath.Dir(p.Log()), "audit.log") }

// auditFlags are none where there is no policy.
func auditFlags(paths Paths) []string {
	if _, err := os.Stat(paths.AuditPolicy()); err != nil {
		return nil
	}
	return []string{
		"--audit-policy-file=" + paths.AuditPolicy(),
		"--audit-log-path=" + paths.AuditLog(),
		"--audit-log-maxsize=20", // MB
		"--audit-log-maxbackup=3",
	}
}
