package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/test/hosts/network"
)

func powerOff() *cobra.Command {
	return on("power-off", "Cut the power: everything is killed at once, and what was not synced is lost", "%s has no power", (*network.Host).PowerOff)
}

func powerOn() *cobra.Command {
	return on("power-on", "Start a host again, with the disk as it was", "%s has power; nothing runs on it yet", (*network.Host).PowerOn)
}

func pause() *cobra.Command {
	return on("pause", "Let a host stand still, network included", "%s stands still", (*network.Host).Pause)
}

func resume() *cobra.Command {
	return on("resume", "Let a paused host go on", "%s goes on", (*network.Host).Resume)
}

func fillDisk() *cobra.Command {
	return on("fill-disk", "Take all the space of a host's disk", "the disk of %s is full", (*network.Host).FillDisk)
}

func freeDisk() *cobra.Command {
	return on("free-disk", "Give back what fill-disk took", "the disk of %s has space again", (*network.Host).FreeDisk)
}

func hangDisk() *cobra.Command {
	return on("hang-disk", "Let a host's disk hang: who writes to it waits", "the disk of %s hangs", (*network.Host).HangDisk)
}

func mendDisk() *cobra.Command {
	return on("mend-disk", "End what hang-disk began", "the disk of %s works", (*network.Host).MendDisk)
}

func isolate() *cobra.Command {
	return on("isolate", "Pull the cable of a host: cut it from everybody", "%s is cut off from everybody",
		func(h *network.Host) error { return h.Network().Isolate(h) })
}

func cut() *cobra.Command {
	var oneWay bool
	command := &cobra.Command{
		Use: "cut FROM TO", Short: "Cut the way between two hosts, or a host and this machine", Args: cobra.ExactArgs(2),
		RunE: inNetwork(func(n *network.Network, arguments []string) error {
			from, errFrom := hostOrMachine(n, arguments[0])
			to, errTo := hostOrMachine(n, arguments[1])
			if err := errors.Join(errFrom, errTo); err != nil {
				return err
			}
			if from == to {
				return fmt.Errorf("there is no way from %s to itself", arguments[0])
			}
			if err := n.Cut(from, to); err != nil {
				return err
			}
			if !oneWay {
				if err := n.Cut(to, from); err != nil {
					return err
				}
			}
			show(n)
			return nil
		}),
	}
	command.Flags().BoolVar(&oneWay, "one-way", false, "what TO sends still reaches FROM")
	return command
}

func hostOrMachine(n *network.Network, name string) (*network.Host, error) {
	if name == machine {
		return nil, nil
	}
	return n.Host(name)
}

func mend() *cobra.Command {
	return &cobra.Command{
		Use: "mend", Short: "Mend all ways that were cut", Args: cobra.NoArgs,
		RunE: inNetwork(func(n *network.Network, _ []string) error {
			if err := n.MendAll(); err != nil {
				return err
			}
			fmt.Println("all ways are open")
			return nil
		}),
	}
}

func speed() *cobra.Command {
	return on("speed", "Give a host its good cable back", "%s has a good cable", (*network.Host).Speed)
}

func slow() *cobra.Command {
	var delay time.Duration
	var loss float64
	command := on("slow", "Give a host a bad cable, which delays packets and loses some", "%s has a bad cable", func(h *network.Host) error {
		path, err := os.Executable()
		if err != nil {
			return err
		}
		// The cable is a process, which ends when the host has a good one again.
		carrier := exec.Command(path, wireName, h.Name(), "--network", name, "--delay", delay.String(), "--loss", fmt.Sprint(loss))
		carrier.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		said, err := carrier.StdoutPipe()
		if err != nil {
			return err
		}
		if err := carrier.Start(); err != nil {
			return err
		}
		line, err := bufio.NewReader(said).ReadString('\n')
		if line = strings.TrimSpace(line); line != ready {
			return errors.Join(errors.New(line), err)
		}
		return nil
	})
	flags(command, &delay, &loss)
	return command
}

const (
	wireName = "wire"
	ready    = "ready"
)

func flags(command *cobra.Command, delay *time.Duration, loss *float64) {
	command.Flags().DurationVar(delay, "delay", 0, "how long a packet takes, each way")
	command.Flags().Float64Var(loss, "loss", 0, "the share of packets that is lost, 0 to 1")
}

// wire is the process that slow leaves behind. It says on one line how it went.
func wire() *cobra.Command {
	var delay time.Duration
	var loss float64
	command := &cobra.Command{
		Use: wireName + " HOST", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: onHost(func(h *network.Host, _ []string) error {
			wire, err := h.Slow(delay, loss)
			if err != nil {
				fmt.Println(err)
				return err
			}
			fmt.Println(ready)
			return wire.Run()
		}),
	}
	flags(command, &delay, &loss)
	return command
}

func clock() *cobra.Command {
	return &cobra.Command{
		Use: "clock HOST AHEAD", Short: "Step the wall clock of what runs on a host now; 0s sets it right",
		Long: "Step the wall clock of what runs on a host now, from this machine's: 1h, -90s.\n" +
			"0s sets it right. What is started later has this machine's time.",
		Example: "  hosts clock host-1 1h\n  hosts clock host-1 -- -90s",
		Args:    cobra.ExactArgs(2),
		RunE: onHost(func(h *network.Host, rest []string) error {
			ahead, err := time.ParseDuration(rest[0])
			if err != nil {
				return fmt.Errorf("%q is no duration such as 1h or -90s", rest[0])
			}
			if err := h.StepClock(ahead); err != nil {
				return err
			}
			fmt.Printf("for what runs on %s it is %s\n", h.Name(), time.Now().Add(ahead).Format(time.DateTime))
			return nil
		}),
	}
}
