package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	certutil "k8s.io/client-go/util/cert"
)

// Server is a server whose authority is the one that was pinned.
type Server struct {
	// Authority is the cluster's certificate authority.
	Authority *x509.Certificate
	// Ahead is how far its clock is ahead of this machine's, to about a second.
	Ahead time.Duration
}

// AuthorityPEM is the cluster's certificate authority as files hold it.
func (s Server) AuthorityPEM() ([]byte, error) { return certutil.EncodeCertificates(s.Authority) }

// ParseServer reads a server's address as a person gives it: https://HOST:PORT.
func ParseServer(text string) (*url.URL, error) {
	server, err := url.Parse(text)
	if err != nil || server.Scheme != "https" || server.Hostname() == "" || strings.Trim(server.Path, "/") != "" || server.User != nil || server.RawQuery != "" {
		return nil, fmt.Errorf("--server %q: say it as https://HOST:6443", text)
	}
	server.Path = ""
	if server.Port() == "" {
		server.Host = net.JoinHostPort(server.Hostname(), "6443")
	}
	return server, nil
}

// patience is how long a server may take to answer one question.
const patience = 10 * time.Second

// Reach makes sure that a server is there, that it speaks for the pinned authority,
// and that it is ready. It sends nothing secret. It does not mind what either clock
// says, so that the caller can.
func Reach(ctx context.Context, server *url.URL, pin string) (Server, error) {
	var reached Server
	client := http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, //nolint:gosec // the pin is verified instead, below
			VerifyConnection: func(state tls.ConnectionState) (err error) {
				reached.Authority, err = verify(state.PeerCertificates, server.Hostname(), pin)
				return err
			},
		}},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.JoinPath("readyz").String(), nil)
	if err != nil {
		return reached, err
	}
	response, err := client.Do(request)
	if err != nil {
		return reached, unreachable(server, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return reached, fmt.Errorf("the server at %s is not ready (it answers %s): try again in a moment, and see `mainstay status` there", server.Host, response.Status)
	}
	there, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return reached, fmt.Errorf("the server at %s does not tell its time", server.Host)
	}
	reached.Ahead = time.Until(there)
	return reached, nil
}

// pinError says which server was met instead of the one that was meant.
type pinError string

func (e pinError) Error() string { return string(e) }

// verify returns the pinned authority if it is in the chain that a server shows and
// has signed that server's certificate for the host.
func verify(chain []*x509.Certificate, host, pin string) (*x509.Certificate, error) {
	at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return c.IsCA && PinOf(c) == pin })
	if at < 0 {
		return nil, pinError("it is not the server that this token is for, or the token is damaged: nothing was sent to it. Make a token on that very server: mainstay token create")
	}
	authority, leaf := chain[at], chain[0]
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	valid := leaf.NotBefore
	if valid.Before(authority.NotBefore) {
		valid = authority.NotBefore
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, CurrentTime: valid, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	var names x509.HostnameError
	if errors.As(err, &names) {
		return nil, pinError(fmt.Sprintf("its certificate is not for %s: use an address that it names (%s)", host, strings.Join(addressesOf(leaf), ", ")))
	}
	return authority, err
}

// addressesOf are the names of a server's certificate under which others may reach it.
func addressesOf(leaf *x509.Certificate) []string {
	var names []string
	for _, ip := range leaf.IPAddresses {
		if !ip.IsLoopback() {
			names = append(names, ip.String())
		}
	}
	for _, name := range leaf.DNSNames {
		if name != "localhost" && !strings.HasPrefix(name, "kubernetes") && !strings.HasSuffix(name, ".svc") {
			names = append(names, name)
		}
	}
	return names
}

// unreachable says in one line why a server could not be talked to.
func unreachable(server *url.URL, err error) error {
	var wrong pinError
	var name *net.DNSError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%s: %w", server.Host, wrong)
	case errors.As(err, &name):
		return fmt.Errorf("there is no host %s: say the server's address", server.Hostname())
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("no server listens at %s: is Mainstay up there (`mainstay status`), and is the port right?", server.Host)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) {
		return fmt.Errorf("nothing answers at %s: is the address right, and does a firewall let TCP port %s through?", server.Host, server.Port())
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return fmt.Errorf("cannot talk to %s: %w", server.Host, err)
}
