package engine

import (
	"context"
	"fmt"
	"net/url"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdName is the name of the single member of the embedded etcd.
const etcdName = "mainstay"

// startEtcd starts the embedded etcd and returns when it has a leader. It
// listens on loopback alone and takes clients with a certificate only. The
// returned function closes it.
func startEtcd(ctx context.Context, paths Paths) (func(), error) {
	etcd, err := embed.StartEtcd(etcdConfig(paths))
	if err != nil {
		return nil, fmt.Errorf("start etcd in %s: %w", paths.etcd(), err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd.Close, nil
	case err := <-etcd.Err():
		return nil, fmt.Errorf("etcd ended while starting: %w", err)
	case <-ctx.Done():
		etcd.Close()
		return nil, ctx.Err()
	}
}

func etcdConfig(paths Paths) *embed.Config {
	config := embed.NewConfig()
	config.Name = etcdName
	config.Dir = paths.etcd()
	peer := loopbackURL(etcdPeerPort)
	config.InitialCluster = etcdName + "=" + peer.String()
	config.ListenClientUrls = []url.URL{loopbackURL(etcdClientPort)}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertisePeerUrls = config.ListenPeerUrls
	config.ClientTLSInfo = etcdTLS(paths, "etcd/server")
	config.PeerTLSInfo = etcdTLS(paths, "etcd/peer")
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	// A single member elects itself: with etcd's defaults, meant for networks,
	// it would wait most of a second for votes that never come.
	config.TickMs, config.ElectionMs = 10, 50
	return config
}

func etcdTLS(paths Paths, name string) transport.TLSInfo {
	return transport.TLSInfo{
		CertFile: paths.pkiFile(name + ".crt"), KeyFile: paths.pkiFile(name + ".key"),
		TrustedCAFile: paths.pkiFile("etcd/ca.crt"), ClientCertAuth: true,
	}
}

func loopbackURL(port int) url.URL {
	return url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", port)}
}
