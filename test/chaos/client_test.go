package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// petName is how a client finds the pet, by the cluster's name server.
const (
	petName    = "pet-0.pet.default.svc.cluster.local"
	nameServer = "10.43.0.10:53"
)

// client writes numbers to the pet, from outside the cluster, and remembers those that
// were acknowledged. It looks the name up for each.
type client struct {
	host *hosts.Host

	mu           sync.Mutex
	acknowledged []acknowledgement
}

type acknowledgement struct {
	number int
	at     time.Duration // CLOCK_BOOTTIME
}

// startClient starts one that works until the test ends.
func startClient(t *testing.T, h *hosts.Host) *client {
	c := &client{host: h}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for number := 1; ctx.Err() == nil; number++ {
			// What came of a number that was not acknowledged is unknown: it is not used again.
			if _, err := c.ask(ctx, http.MethodPost, fmt.Sprint("/?number=", number)); err == nil {
				c.mu.Lock()
				c.acknowledged = append(c.acknowledged, acknowledgement{number, now()})
				c.mu.Unlock()
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return c
}

// ask looks up the pet's name and asks it.
func (c *client) ask(ctx context.Context, method, path string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	address, err := c.lookUp(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+petName+path, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.host.Dial(ctx, net.JoinHostPort(address, "80"))
	}}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	var lines []string
	scanner := bufio.NewScanner(answer.Body)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	return lines, scanner.Err()
}

func (c *client) lookUp(ctx context.Context) (address string, err error) {
	connection, err := c.host.Dial(ctx, nameServer)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	query := new(dns.Msg)
	query.SetQuestion(dns.Fqdn(petName), dns.TypeA)
	resolver := dns.Client{Net: "tcp", Timeout: 300 * time.Millisecond}
	answer, _, err := resolver.ExchangeWithConnContext(ctx, query, &dns.Conn{Conn: connection})
	if err != nil {
		return "", err
	}
	for _, record := range answer.Answer {
		if a, ok := record.(*dns.A); ok {
			return a.A.String(), nil
		}
	}
	return "", fmt.Errorf("%s has no address", petName)
}

// since tells when the first number was acknowledged after a time.
func (c *client) since(at time.Duration) (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.acknowledged {
		if a.at > at {
			return a.at, nil
		}
	}
	return 0, errors.New("the client got nothing acknowledged since")
}

// check fails the test for each acknowledged number that the pet does not have.
func (c *client) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	acknowledged := c.acknowledged
	c.mu.Unlock()
	kept := map[string]bool{}
	hosts.Eventually(t, 10*time.Second, func(ctx context.Context) error {
		lines, err := c.ask(ctx, http.MethodGet, "/")
		for _, line := range lines {
			kept[strings.TrimSpace(line)] = true
		}
		return err
	})
	for _, a := range acknowledged {
		if !kept[fmt.Sprint(a.number)] {
			t.Errorf("number %d was acknowledged at %s, and is lost", a.number, a.at)
		}
	}
}
