package fence

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var wholeModel = flag.Bool("model", false, "check the whole model, and every broken rule: make model")

// TestModel has spin check the models of the protocol to their ends: no sequence of
// steps leads to what is forbidden. With a rule broken, one does. Without -model the
// shortest terms must do, and the rules are left whole.
func TestModel(t *testing.T) {
	for _, program := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed, so the models are not checked; make packages installs it", program)
		}
	}
	if !*wholeModel {
		checkModel(t, "fence.pml", "-DTERM=1", "-DWAIT=1")
		return
	}
	for _, name := range []string{"fence.pml", "limit.pml"} {
		checkModel(t, name)
		for _, rule := range rulesOf(t, name) {
			breakModel(t, name, rule)
		}
	}
}

// rulesOf are the definitions that break a rule of a model.
func rulesOf(t *testing.T, name string) []string {
	text, err := os.ReadFile(filepath.Join("model", name))
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`\bBREAK_[A-Z_]+[A-Z]\b`).FindAllString(string(text), -1)
	slices.Sort(rules)
	return slices.Compact(rules)
}

func checkModel(t *testing.T, name string, definitions ...string) {
	output := spin(t, name, "", definitions)
	if !strings.Contains(output, "errors: 0") || strings.Contains(output, "not completed") || strings.Contains(output, "max search depth too small") {
		t.Errorf("%s %v: not shown to the end:\n%s", name, definitions, output)
	}
	t.Logf("%-9s %-28s %10s states, to the end: nothing forbidden", name, strings.Join(definitions, " "), states(output))
}

// breakModel searches by breadth, for a story that is as short as can be.
func breakModel(t *testing.T, name, rule string) {
	output := spin(t, name, "-DBFS", []string{"-D" + rule})
	depth := regexp.MustCompile(`assertion violated.*at depth (\d+)`).FindStringSubmatch(output)
	if depth == nil {
		t.Errorf("%s: %s: no counterexample:\n%s", name, rule, output)
		return
	}
	t.Logf("%-9s %-28s %10s states, then a counterexample of %s steps", name, rule, states(output), depth[1])
}

func states(output string) string {
	found := regexp.MustCompile(`(\S+) states, stored`).FindStringSubmatch(output)
	if found == nil {
		return "?"
	}
	return found[1]
}

// spin makes the checker of a model, and runs it.
func spin(t *testing.T, name, search string, definitions []string) string {
	model, err := filepath.Abs(filepath.Join("model", name))
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	run := func(program string, arguments ...string) string {
		command := exec.Command(program, arguments...)
		command.Dir = directory
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", program, arguments, err, output)
		}
		return string(output)
	}
	run("spin", slices.Concat([]string{"-a"}, definitions, []string{model})...)
	arguments := []string{"-O2", "-w", "-DSAFETY", "-DNOFAIR", "-DNOREDUCE", "-DMEMLIM=4000", "-o", "pan", "pan.c"}
	if search != "" {
		arguments = append(arguments, search)
	}
	run("gcc", arguments...)
	return run("./pan", "-E", "-m2000000")
}
