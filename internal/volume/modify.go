package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// Modify changes a volume's quality of service to what a class says: what is
// absent there stays. The volume may be in use; it is held to the new maximum at
// once. Errors wrap ErrNotFound, qos.ErrParameter or qos.ErrNoPerformance, and
// then nothing has changed.
func (p *Pool) Modify(id string, class map[string]string) (Record, error) {
	r, err := p.Get(id)
	if err != nil {
		return Record{}, err
	}
	had := r.Quality
	if r.Quality, err = had.With(class); err != nil || r.Quality == had {
		return r, err
	}
	if err := refuseDirectory(r); err != nil {
		return Record{}, err
	}
	if p.cannotThrottle != nil {
		return Record{}, p.cannotThrottle
	}
	if err := p.promise(p.volumeDir(id), r, had); err != nil {
		return Record{}, fmt.Errorf("volume %s: %w", id, err)
	}
	p.reached("promised")
	return r, p.hold(r)
}

// promise writes the record in dir, if the pool can promise what it says instead
// of what the volume had.
func (p *Pool) promise(dir string, r Record, had qos.Parameters) error {
	if err := p.writable(); err != nil {
		return err
	}
	if !r.Quality.Guaranteed() {
		return writeRecord(dir, r)
	}
	unlock, err := p.lockSpace()
	if err != nil {
		return err
	}
	defer unlock()
	ledger, err := p.ledgerWithout(r.ID)
	if err != nil {
		return err
	}
	if err := ledger.Admit(had, r.Quality); err != nil {
		return err
	}
	return writeRecord(dir, r)
}

// Ledger gives what the pool can do and what it owes, to volumes that are being
// made as well.
func (p *Pool) Ledger() (qos.Ledger, error) { return p.ledgerWithout("") }

func (p *Pool) ledgerWithout(id string) (qos.Ledger, error) {
	envelope, err := p.Envelope()
	if err != nil {
		return qos.Ledger{}, err
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return qos.Ledger{}, err
	}
	ledger := qos.Ledger{Envelope: envelope}
	for _, e := range entries {
		name := strings.TrimPrefix(e.Name(), creatingPrefix)
		if name == id || !validID(name) || !e.IsDir() {
			continue
		}
		r, err := readRecord(filepath.Join(p.dir, e.Name()))
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return qos.Ledger{}, err
		}
		ledger.Unheld = ledger.Unheld || r.FileSystem == Directory
		if r.Quality.Guaranteed() {
			ledger.Promised = append(ledger.Promised, r.Quality)
		}
	}
	return ledger, nil
}
