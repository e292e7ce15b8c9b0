package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const dnsServer = "10.43.0.10:53"

// ask asks the cluster's DNS service, as a pod would.
func ask(t *testing.T, h *hosts.Host, name string, kind uint16) *dns.Msg {
	t.Helper()
	var answer *dns.Msg
	var err error
	h.Within(t, func() {
		query := new(dns.Msg)
		query.SetQuestion(dns.Fqdn(name), kind)
		answer, err = dns.Exchange(query, dnsServer)
	})
	if err != nil {
		t.Fatalf("ask for %s: %v", name, err)
	}
	return answer
}

// The rules of Kubernetes' DNS specification 1.1.0, section 2.
func tryNames(t *testing.T, h *hosts.Host) {
	const service = "web.default.svc.cluster.local"
	pods := pets(t, h, "web")

	var addresses []string
	for _, record := range ask(t, h, service, dns.TypeA).Answer {
		addresses = append(addresses, record.(*dns.A).A.String())
	}
	for _, pod := range pods {
		if !slices.Contains(addresses, pod.Status.PodIP) {
			t.Errorf("A %s lacks %s (%s): %v", service, pod.Name, pod.Status.PodIP, addresses)
		}
	}

	var targets []string
	for _, record := range ask(t, h, "_http._tcp."+service, dns.TypeSRV).Answer {
		srv := record.(*dns.SRV)
		if srv.Port != 80 {
			t.Errorf("SRV says port %d", srv.Port)
		}
		targets = append(targets, strings.TrimSuffix(srv.Target, "."+service+"."))
	}
	slices.Sort(targets)
	if want := []string{"web-0", "web-1", "web-2"}; !slices.Equal(targets, want) {
		t.Errorf("SRV names %v, not %v", targets, want)
	}

	own := ask(t, h, "web-1."+service, dns.TypeA).Answer
	if len(own) != 1 || own[0].(*dns.A).A.String() != pods[1].Status.PodIP {
		t.Errorf("A web-1 is %v, not %s", own, pods[1].Status.PodIP)
	}
	if none := ask(t, h, "web-1."+service, dns.TypeAAAA); none.Rcode != dns.RcodeSuccess || len(none.Answer) != 0 {
		t.Errorf("AAAA of a name that has only A should be empty, not an error: %v", none)
	}
	reverse, err := dns.ReverseAddr(pods[2].Status.PodIP)
	if err != nil {
		t.Fatal(err)
	}
	pointer := ask(t, h, reverse, dns.TypePTR).Answer
	if len(pointer) != 1 || pointer[0].(*dns.PTR).Ptr != "web-2."+service+"." {
		t.Errorf("PTR of web-2 is %v", pointer)
	}

	missing := ask(t, h, "web-9."+service, dns.TypeA)
	if missing.Rcode != dns.RcodeNameError || len(missing.Ns) != 1 {
		t.Fatalf("a pet that does not exist: %v", missing)
	}
	if soa := missing.Ns[0].(*dns.SOA); soa.Minttl > 1 || soa.Hdr.Ttl > 1 {
		t.Errorf("that a name does not exist may be cached for %d s", max(soa.Minttl, soa.Hdr.Ttl))
	}

	tryNamesFollowReadiness(t, h)
}

// unreadySet has a pet that becomes ready when a file appears in it. Its second
// service wants pets in DNS before they are ready.
const unreadySet = `
apiVersion: v1
kind: Service
metadata: {name: shy}
spec: {clusterIP: None, selector: {app: shy}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: shy-all}
spec: {clusterIP: None, selector: {app: shy}, publishNotReadyAddresses: true}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: shy}
spec:
  serviceName: shy
  selector: {matchLabels: {app: shy}}
  template:
    metadata: {labels: {app: shy}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: shy
        image: ` + hosts.BusyboxImage + `
        command: [sleep, "1000000"]
        readinessProbe: {exec: {command: [ls, /tmp/ready]}, periodSeconds: 1}
`

func tryNamesFollowReadiness(t *testing.T, h *hosts.Host) {
	h.Apply(t, unreadySet)
	answers := func(service string, count int) func(context.Context) error {
		return func(context.Context) error {
			if answer := ask(t, h, service+".default.svc.cluster.local", dns.TypeA).Answer; len(answer) != count {
				return fmt.Errorf("%s has %d addresses, not %d", service, len(answer), count)
			}
			return nil
		}
	}
	hosts.Eventually(t, 30*time.Second, answers("shy-all", 1))
	if err := answers("shy", 0)(t.Context()); err != nil {
		t.Error("a pet that is not ready is in DNS: ", err)
	}
	h.Kubectl(t, "exec", "shy-0", "--", "touch", "/tmp/ready")
	hosts.Eventually(t, 10*time.Second, answers("shy", 1))
	h.Kubectl(t, "exec", "shy-0", "--", "rm", "/tmp/ready")
	hosts.Eventually(t, 20*time.Second, answers("shy", 0))
	h.Kubectl(t, "delete", "statefulset/shy", "service/shy", "service/shy-all")
}
