package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// What is read must be what is written: in the comments, the definition and the
// examples.
func TestPageIsUpToDate(t *testing.T) {
	want, err := page(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(root + "/docs/petset.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/petset.md is not what the comments in api/v1alpha1, the frame and the examples make: run `make generate`")
	}
}

var (
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	links    = regexp.MustCompile(`\]\(([^)#]*)#?([^)]*)\)`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/petset.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{"": true}
	for _, heading := range headings.FindAllSubmatch(text, -1) {
		anchors[anchor(string(heading[1]))] = true
	}
	for _, link := range links.FindAllSubmatch(text, -1) {
		file, place := string(link[1]), string(link[2])
		if file == "" && !anchors[place] {
			t.Errorf("there is no heading for the link to #%s", place)
		}
		if file != "" && !strings.Contains(file, "://") {
			if _, err := os.Stat(root + "/docs/" + file); err != nil {
				t.Error(err)
			}
		}
	}
}
