package bench

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const (
	dnsServer  = "10.43.0.10:53"
	dnsSamples = 20
	dnsSet     = "named"
	dnsName    = "_http._tcp." + dnsSet + "." + namespace + ".svc.cluster.local."
)

// measureDNS makes an ordered set and takes, for each pet, the time from seeing
// its Ready condition to the SRV answer of the headless service that names it.
// Meanwhile the next pet starts, as in any rollout. The yardstick is the round
// trip of the same question when nothing changes.
func measureDNS(b *testing.B, h *hosts.Host) []row {
	b.Helper()
	say("names of %d pets", dnsSamples)
	client := h.Client(b)
	ready := watchReady(b, client, dnsSet)
	if _, err := client.CoreV1().Services(namespace).Create(b.Context(), webService(dnsSet), metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	if _, err := client.AppsV1().StatefulSets(namespace).Create(b.Context(), webSet(dnsSet, dnsSamples, nil), metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	found := make(chan result, dnsSamples)
	for range dnsSamples {
		pet := nextReady(b, ready)
		connection := dialDNS(b, h)
		go func() { found <- waitForName(connection, pet) }()
	}
	var delays, trips sample
	for range dnsSamples {
		r := <-found
		if r.err != nil {
			b.Fatal(r.err)
		}
		delays = append(delays, r.milliseconds)
	}
	for range dnsSamples {
		begun := time.Now()
		if _, err := targets(dialDNS(b, h)); err != nil {
			b.Fatal(err)
		}
		trips = append(trips, millisecondsSince(begun))
	}
	removeSet(b, client, dnsSet)
	const against = "round trip of the question alone"
	return []row{
		{"Ready to SRV answer", milliseconds, delays, against, trips, false, goal{limit: 100}},
		{"Ready to SRV answer, p99 (of 20 the worst)", milliseconds, sample{delays.quantile(0.99)}, against + ", p99", sample{trips.quantile(0.99)}, false, goal{limit: 100}},
	}
}

// dialDNS returns a socket on the host's network.
func dialDNS(b *testing.B, h *hosts.Host) *dns.Conn {
	b.Helper()
	var connection net.Conn
	var err error
	h.Within(b, func() { connection, err = net.Dial("udp", dnsServer) })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { connection.Close() })
	return &dns.Conn{Conn: connection}
}

type result struct {
	milliseconds float64
	err          error
}

// waitForName asks each millisecond until the service's answer names the pet.
func waitForName(connection *dns.Conn, pet readyPet) result {
	for {
		names, err := targets(connection)
		if err == nil && names[pet.name] {
			return result{milliseconds: millisecondsSince(pet.seen)}
		}
		if time.Since(pet.seen) > 10*time.Second {
			return result{err: fmt.Errorf("%s is Ready for 10 s and not in DNS; the last answer names %v", pet.name, names)}
		}
		time.Sleep(time.Millisecond)
	}
}

// targets asks for the service and returns the pets that the answer names.
func targets(connection *dns.Conn) (map[string]bool, error) {
	query := new(dns.Msg)
	query.SetQuestion(dnsName, dns.TypeSRV)
	query.SetEdns0(8192, false) // all pets in one packet
	client := dns.Client{Timeout: time.Second}
	answer, _, err := client.ExchangeWithConn(query, connection)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, record := range answer.Answer {
		if srv, ok := record.(*dns.SRV); ok {
			name, _, _ := strings.Cut(srv.Target, ".")
			names[name] = true
		}
	}
	return names, nil
}

func millisecondsSince(begun time.Time) float64 {
	return float64(time.Since(begun)) / float64(time.Millisecond)
}
