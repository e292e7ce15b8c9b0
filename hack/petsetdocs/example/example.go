// Package example reads the examples of examples/petset. Each is a manifest that
// begins with a comment: a paragraph that says what the example shows, then what
// to do with it and what one will see. A line that is indented and begins with $
// is a command; the indented lines after it are what it prints.
//
// The same text is shown in docs/petset.md and carried out, command by command,
// by a test: what it prints must be what the comment says.
package example

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Folder of the examples, below the repository's root. The commands are meant to
// be run in that root.
const Folder = "examples/petset"

// Example is one file.
type Example struct {
	// Name of the file, without .yaml.
	Name string
	// Intro says what the example shows.
	Intro string
	// Blocks are what to do, in order.
	Blocks []Block
	// Manifest is the file without its comment.
	Manifest string
}

// Block is either a paragraph or a command.
type Block struct {
	Text    string
	Command string
	// Output is what the command prints. Empty: it does not matter.
	Output string
}

// File of the example, below the repository's root.
func (e Example) File() string { return Folder + "/" + e.Name + ".yaml" }

// All reads the examples of a folder, by name.
func All(folder string) (map[string]Example, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	all := make(map[string]Example, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		e := parse(string(text))
		e.Name = strings.TrimSuffix(filepath.Base(file), ".yaml")
		if e.Intro == "" || len(e.Blocks) == 0 {
			return nil, fmt.Errorf("%s: it must begin with a comment that says what it shows, and what to do with it", file)
		}
		all[e.Name] = e
	}
	return all, nil
}

func parse(text string) (e Example) {
	lines := strings.Split(text, "\n")
	paragraph := ""
	end := func() {
		switch {
		case paragraph == "":
		case e.Intro == "":
			e.Intro = paragraph
		default:
			e.Blocks = append(e.Blocks, Block{Text: paragraph})
		}
		paragraph = ""
	}
	for ; len(lines) > 0 && strings.HasPrefix(lines[0], "#"); lines = lines[1:] {
		line := strings.TrimPrefix(strings.TrimPrefix(lines[0], "#"), " ")
		code, isCode := strings.CutPrefix(line, "    ")
		command, isCommand := strings.CutPrefix(code, "$ ")
		switch {
		case isCommand:
			end()
			e.Blocks = append(e.Blocks, Block{Command: command})
		case isCode:
			e.Blocks[len(e.Blocks)-1].Output += code + "\n"
		case line == "":
			end()
		default:
			paragraph = strings.TrimPrefix(paragraph+"\n"+line, "\n")
		}
	}
	end()
	e.Manifest = strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
	return e
}
