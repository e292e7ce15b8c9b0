package flex

import "encoding/json"

// The three outcomes that kubelet knows.
const (
	statusSuccess = "Success"
	statusFailure = "Failure"
	// statusNotSupported has kubelet do what it does without a driver, and never
	// make the call again.
	statusNotSupported = "Not supported"
)

// answer is what kubelet reads. Fields that this driver never fills are left out.
type answer struct {
	Status       string        `json:"status"`
	Message      string        `json:"message,omitempty"`
	Capabilities *capabilities `json:"capabilities,omitempty"`
}

// capabilities say which work kubelet does for the driver. Kubelet takes a field
// that is absent for true, but for supportsMetrics.
type capabilities struct {
	Attach           bool `json:"attach"`
	SELinuxRelabel   bool `json:"selinuxRelabel"`
	SupportsMetrics  bool `json:"supportsMetrics"`
	FSGroup          bool `json:"fsGroup"`
	RequiresFSResize bool `json:"requiresFSResize"`
}

// initialized answers init.
func initialized() answer {
	return answer{Status: statusSuccess, Capabilities: &capabilities{
		// A volume is on one node only: there is nothing to attach, and no device
		// that kubelet should mount.
		Attach: false,
		// Volumes are file systems of their own, so kubelet may do the usual with
		// them: labels, the owning group, looking how full they are.
		SELinuxRelabel: true, SupportsMetrics: true, FSGroup: true,
		RequiresFSResize: true,
	}}
}

func succeeded() answer { return answer{Status: statusSuccess} }

func notSupported() answer { return answer{Status: statusNotSupported} }

func failed(err error) answer { return answer{Status: statusFailure, Message: err.Error()} }

// outcome is the answer to a call that gives nothing back.
func outcome(err error) answer {
	if err != nil {
		return failed(err)
	}
	return succeeded()
}

// line is the answer as kubelet reads it.
func (a answer) line() []byte {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and truth values can always be written
	}
	return append(text, '\n')
}
