package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const (
	unitName = "mainstay.service"
	unitFile = "/etc/systemd/system/" + unitName
)

// unit lets containerd and the pods live on when the engine ends or is replaced:
// only `mainstay down` stops them.
const unit = `[Unit]
Description=Mainstay: a Kubernetes for stateful applications
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=%s
KillMode=process
Delegate=yes
Restart=on-failure
RestartSec=1
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`

// launchedUnit is an engine that systemd runs.
type launchedUnit struct{}

func launchUnit(arguments []string) (launched, error) {
	quoted := make([]string, len(arguments))
	for i, argument := range arguments {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(argument) + `"`
	}
	if err := os.WriteFile(unitFile, fmt.Appendf(nil, unit, strings.Join(quoted, " ")), 0o644); err != nil {
		return nil, fmt.Errorf("write the systemd unit: %w", err)
	}
	for _, command := range [][]string{{"daemon-reload"}, {"enable", unitName}, {"restart", unitName}} {
		if err := systemctl(command...); err != nil {
			return nil, err
		}
	}
	return launchedUnit{}, nil
}

func (launchedUnit) ended() error {
	output, _ := exec.Command("systemctl", "is-active", unitName).Output()
	if state := strings.TrimSpace(string(output)); state == "failed" || state == "inactive" {
		return errors.New("the unit " + unitName + " is " + state + "; its log: journalctl -u " + unitName)
	}
	return nil
}

// removeUnit ends and forgets the unit, if there is one.
func removeUnit() error {
	if _, err := os.Stat(unitFile); os.IsNotExist(err) {
		return nil
	}
	if err := systemctl("disable", "--now", unitName); err != nil {
		return err
	}
	if err := os.Remove(unitFile); err != nil {
		return err
	}
	return systemctl("daemon-reload")
}

func systemctl(arguments ...string) error {
	if output, err := exec.Command("systemctl", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
