package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	unitName = "mainstay.service"
	unitFile = "/etc/systemd/system/" + unitName
)

// unit lets containerd and the pods live on when the engine ends or is replaced:
// only `mainstay down`, and the machine's own end, stop them. They are in cgroups
// of their own, beside systemd's; with Delegate systemd enables for the unit, and
// so at the root, the controllers that set their limits. How long starting takes is
// for `up` to judge. Stopping takes long only when the machine goes down: then
// the pods are stopped first. After a boot it is started again until it runs: an
// etcd elsewhere may come up later than this machine.
const unit = `[Unit]
Description=Mainstay: a Kubernetes for stateful applications
After=network-online.target dbus.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=%s
KillMode=process
Delegate=yes
Restart=on-failure
RestartSec=1
TimeoutStartSec=infinity
TimeoutStopSec=10min
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`

// launchedUnit is an engine that systemd runs.
type launchedUnit struct {
	dataDir string
	known   bool // systemd knew the unit before
	asked   time.Time
}

func launchUnit(dataDir string, arguments []string) (launched, error) {
	_, err := os.Stat(unitFile)
	u := &launchedUnit{dataDir: dataDir, known: err == nil}
	if err := os.WriteFile(unitFile, fmt.Appendf(nil, unit, quoteForUnit(arguments...)), 0o644); err != nil {
		return nil, fmt.Errorf("write the systemd unit: %w", err)
	}
	for _, command := range [][]string{{"daemon-reload"}, {"enable", unitName}, {"restart", "--no-block", unitName}} {
		if err := systemctl(command...); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func quoteForUnit(arguments ...string) string {
	quoted := make([]string, len(arguments))
	for i, argument := range arguments {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(argument) + `"`
	}
	return strings.Join(quoted, " ")
}

// ended asks systemd five times a second at most: that costs a process. systemd
// would start an engine that fails again and again; as elsewhere, an `up` that
// fails leaves none behind.
func (u *launchedUnit) ended() error {
	if time.Since(u.asked) < 200*time.Millisecond {
		return nil
	}
	u.asked = time.Now()
	output, err := exec.Command("systemctl", "show", "--property=Job,ActiveState,SubState,NRestarts,StatusText", unitName).Output()
	if err != nil {
		return nil // systemd is busy; ask again
	}
	reason := failureOf(string(output))
	if reason == "" {
		return nil
	}
	reason += "; more in: journalctl -u " + unitName
	if u.known {
		return errors.Join(errors.New(reason), systemctl("stop", unitName))
	}
	return errors.Join(errors.New(reason), removeUnit(u.dataDir))
}

// failureOf reads from a unit's properties why the engine does not run; "" means
// that it does, or is about to.
func failureOf(properties string) string {
	value := map[string]string{}
	for line := range strings.Lines(properties) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), "=")
		value[name] = text
	}
	if job := value["Job"]; job != "" && job != "0" {
		return "" // systemd has yet to start it
	}
	state := value["ActiveState"]
	if state != "failed" && state != "inactive" && value["SubState"] != "auto-restart" && value["NRestarts"] == "0" {
		return ""
	}
	if reason, told := strings.CutPrefix(value["StatusText"], failedStatus); told {
		return reason
	}
	return "the engine ended while it was starting"
}

// removeUnit ends and forgets the unit, if it is that of this data directory.
func removeUnit(dataDir string) error {
	content, err := os.ReadFile(unitFile)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !strings.Contains(string(content), quoteForUnit("--data-dir", dataDir)) {
		return nil
	}
	if err := systemctl("disable", "--now", unitName); err != nil {
		return err
	}
	if err := os.Remove(unitFile); err != nil {
		return err
	}
	_ = systemctl("reset-failed", unitName) // it complains if nothing had failed
	return systemctl("daemon-reload")
}

func systemctl(arguments ...string) error {
	if output, err := exec.Command("systemctl", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
