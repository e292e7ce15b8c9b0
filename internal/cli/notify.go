package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/util"
)

// failedStatus begins the status of a unit whose engine could not start.
const failedStatus = "failed: "

// notifier tells systemd how its unit is (see sd_notify(3)). It takes the address
// out of the environment: the API server and containerd would each say that they
// are ready, in the name of all.
type notifier struct{ socket string }

func newNotifier() notifier {
	n := notifier{socket: os.Getenv(notifyVariable)}
	_ = os.Unsetenv(notifyVariable) // it fails for malformed names alone
	return n
}

const notifyVariable = "NOTIFY_SOCKET"

// follow tells what a starting engine is doing, to systemd and in the journal,
// until it is ready. Where it was not started by systemd it does nothing.
func (n notifier) follow(ctx context.Context, phase func() string) {
	if n.socket == "" {
		return
	}
	for told := ""; ctx.Err() == nil && told != "ready"; time.Sleep(20 * time.Millisecond) {
		now := phase()
		if now == told {
			continue
		}
		told = now
		fmt.Println(told)
		state := "STATUS=" + told
		if told == "ready" {
			state += "\n" + daemon.SdNotifyReady
		}
		n.tell(state)
	}
}

func (n notifier) failed(reason error) {
	if reason != nil && n.socket != "" {
		n.tell("STATUS=" + failedStatus + strings.ReplaceAll(reason.Error(), "\n", "; "))
	}
}

// tell is a courtesy: that systemd does not listen must not end an engine.
func (n notifier) tell(state string) {
	connection, err := net.Dial("unixgram", n.socket)
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = connection.Write([]byte(state))
}

// machineGoesDown tells whether systemd is shutting the machine down: whoever it
// ends now will not be started again before the next boot.
func machineGoesDown() bool {
	if !util.IsRunningSystemd() {
		return false
	}
	state, _ := exec.Command("systemctl", "is-system-running").Output()
	return strings.TrimSpace(string(state)) == "stopping"
}
