package agent

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// Port is where the members of a fence answer each other, and the judge.
const Port = 10260

// The users that a member answers, by the common name of their certificates. (Nodes
// are named as the Node authorizer wants it.)
const (
	nodeUser = "system:node:"
	// JudgeUser may ask members to refuse.
	JudgeUser = "mainstay:judge"
)

// MemberUser is the name of a node's member.
func MemberUser(node string) string { return nodeUser + node }

// question is what a member is asked about a node's lease.
type question struct {
	Subject fence.Subject `json:"subject"`
	Epoch   int32         `json:"epoch"`
}

// answer to a judge: how long ago the member last vouched for the subject.
type answer struct {
	AgeNanoseconds time.Duration `json:"ageNanoseconds"`
}

const vouchPath, refusePath = "/vouch", "/refuse"

// Words serves a member's words.
type Words struct {
	mutex    sync.Mutex
	member   *fence.Member
	informed bool
}

// NewWords starts a member without memory.
func NewWords() *Words { return &Words{member: fence.NewMember(now())} }

// Read informs the member the first time; see fence.Member.
func (w *Words) Read(leases []fence.Lease) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if !w.informed {
		w.member.Read(leases)
		w.informed = true
	}
}

// ServeHTTP answers whoever may ask. The server must have verified the certificate.
func (w *Words) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	if request.TLS == nil || len(request.TLS.VerifiedChains) == 0 {
		http.Error(out, "show a certificate", http.StatusUnauthorized)
		return
	}
	asks := request.TLS.VerifiedChains[0][0].Subject.CommonName
	var about question
	err := json.NewDecoder(http.MaxBytesReader(out, request.Body, 1<<12)).Decode(&about)
	if err == nil && len(validation.IsDNS1123Subdomain(about.Subject.Node)) > 0 {
		err = fmt.Errorf("%q is no node's name", about.Subject.Node)
	}
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	switch {
	case request.URL.Path == vouchPath && asks == nodeUser+about.Subject.Node:
		if err := w.member.Vouch(now(), about.Subject, about.Epoch); err != nil {
			http.Error(out, err.Error(), http.StatusConflict)
		}
	case request.URL.Path == refusePath && asks == JudgeUser:
		age := w.member.Refuse(now(), about.Subject, about.Epoch)
		_ = json.NewEncoder(out).Encode(answer{age}) // who does not get it asks again
	default:
		http.Error(out, fmt.Sprintf("%s may not ask for %s about %s", asks, request.URL.Path, about.Subject.Node), http.StatusForbidden)
	}
}

// Serve answers at an address until ctx ends. config must demand certificates.
func (w *Words) Serve(ctx context.Context, address string, config *tls.Config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve the members of the fence: %w", err)
	}
	server := &http.Server{Handler: w, TLSConfig: config.Clone(), ReadTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 13}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Asker asks members. Its client shows the certificate of who asks.
type Asker struct{ Client *http.Client }

// Vouch asks the member at a host for its word; nil: it has given it.
func (a Asker) Vouch(ctx context.Context, host string, subject fence.Subject, epoch int32) error {
	return a.ask(ctx, host, vouchPath, question{subject, epoch}, nil)
}

// Refuse asks the member at a host to vouch no more, and returns how long ago it last
// did, by its clock.
func (a Asker) Refuse(ctx context.Context, host string, subject fence.Subject, epoch int32) (age time.Duration, err error) {
	var last answer
	err = a.ask(ctx, host, refusePath, question{subject, epoch}, &last)
	return last.AgeNanoseconds, err
}

func (a Asker) ask(ctx context.Context, host, path string, about question, into any) error {
	body, err := json.Marshal(about)
	if err != nil {
		return err
	}
	url := "https://" + net.JoinHostPort(host, strconv.Itoa(Port)) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	response, err := a.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<12))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the member at %s answers %s: %s", host, response.Status, strings.TrimSpace(string(content)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(content, into)
}
