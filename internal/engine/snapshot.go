package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	clientsnapshot "go.etcd.io/etcd/client/v3/snapshot"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// Keys is the directory without which secrets in a snapshot cannot be read.
func (p Paths) Keys() string { return p.pki() }

// restoredRevisionBump lifts the revisions of a restored state above all that a
// client may have seen of the state before it, so that no client mistakes old
// for new. (etcd recommends a billion for Kubernetes.)
const restoredRevisionBump = 1_000_000_000

// SaveSnapshot writes the state of the running etcd, embedded or external, to a
// file that only root may read, and returns its size in bytes.
func SaveSnapshot(ctx context.Context, paths Paths, file string) (int64, error) {
	choices, err := RememberedChoices(paths.DataDir)
	if err != nil {
		return 0, err
	}
	if choices.Joined() {
		return 0, stateElsewhere(choices)
	}
	etcd := choices.etcd(paths)
	server, err := etcd.answering(ctx)
	if err != nil {
		return 0, fmt.Errorf("save %s (is Mainstay running? see `mainstay status`): %w", file, err)
	}
	tls, err := etcd.tls()
	if err != nil {
		return 0, err
	}
	_, err = clientsnapshot.SaveWithVersion(ctx, zap.NewNop(), clientv3.Config{Endpoints: []string{server}, TLS: tls}, file)
	if err != nil {
		return 0, fmt.Errorf("save %s: %w", file, err)
	}
	status, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return status.Size(), os.Chmod(file, 0o600)
}

// RestoreSnapshot replaces the state of a stopped engine by that of a file. It
// returns where it keeps the state before, or "" if there was none. Killed at
// any point, it leaves either the old state or the new.
func RestoreSnapshot(paths Paths, file string) (string, error) {
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("there is no file %s", file)
	}
	choices, err := RememberedChoices(paths.DataDir)
	if err != nil {
		return "", err
	}
	if choices.Joined() {
		return "", stateElsewhere(choices)
	}
	if choices.Etcd.Configured() {
		return "", fmt.Errorf("the state lies in the etcd cluster at %s: restore %s there, member by member, with etcdutl snapshot restore", choices.Etcd, file)
	}
	if err := paths.create(); err != nil {
		return "", err
	}
	fresh := paths.etcd() + ".restoring"
	if err := os.RemoveAll(fresh); err != nil {
		return "", err
	}
	peer := loopbackURL(etcdPeerPort)
	err = snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: file, OutputDataDir: fresh,
		Name: etcdName, InitialCluster: etcdName + "=" + peer.String(), InitialClusterToken: "etcd-cluster",
		PeerURLs: []string{peer.String()}, RevisionBump: restoredRevisionBump, MarkCompacted: true,
	})
	if err != nil {
		_ = os.RemoveAll(fresh)
		return "", fmt.Errorf("%s is no snapshot of etcd, or it is damaged: %w", file, err)
	}
	kept := ""
	if _, err := os.Stat(paths.etcd()); !errors.Is(err, os.ErrNotExist) {
		kept = filepath.Join(paths.DataDir, "etcd.before-"+time.Now().Format("2006-01-02T150405"))
		if err := os.Rename(paths.etcd(), kept); err != nil {
			return "", err
		}
	}
	return kept, os.Rename(fresh, paths.etcd())
}

func stateElsewhere(choices Choices) error {
	return fmt.Errorf("this machine is a node: the state of the cluster lies on the server at %s; save and restore it there", choices.Server)
}
