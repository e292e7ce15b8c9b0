package example

import (
	"fmt"
	"strings"
)

// Markdown shows the example: what it is, the manifest, and what to do with it.
func (e Example) Markdown(link string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n[%s](%s):\n\n```yaml\n%s```\n", e.Intro, e.File(), link, e.Manifest)
	for i := 0; i < len(e.Blocks); i++ {
		block := e.Blocks[i]
		if block.Command == "" {
			fmt.Fprintf(&out, "\n%s\n", block.Text)
			continue
		}
		// Commands that print nothing of interest stand together.
		commands := block.Command + "\n"
		for block.Output == "" && i+1 < len(e.Blocks) && e.Blocks[i+1].Command != "" {
			i++
			block = e.Blocks[i]
			commands += block.Command + "\n"
		}
		fmt.Fprintf(&out, "\n```sh\n%s```\n", commands)
		if block.Output != "" {
			fmt.Fprintf(&out, "\n```\n%s```\n", block.Output)
		}
	}
	return strings.TrimSpace(out.String())
}
