package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// envelopeFile is what Probe found. It lies beside the volumes, so that it goes
// where the pool goes.
const envelopeFile = "envelope.json"

// Envelope gives what Probe measured; zero when it never did.
func (p *Pool) Envelope() (qos.Envelope, error) {
	path := filepath.Join(p.dir, envelopeFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return qos.Envelope{}, p.usable()
	}
	if err != nil {
		return qos.Envelope{}, err
	}
	var e qos.Envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return qos.Envelope{}, fmt.Errorf("%s is damaged (%w): run `mainstay pool probe` again", path, err)
	}
	return e, nil
}

func (p *Pool) writeEnvelope(e qos.Envelope) error {
	return writeJSON(filepath.Join(p.dir, envelopeFile), e)
}
