package validate_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabriscope/fabriscope/internal/conformance"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The sentences for all rejected transactions of the recorded chain, to be read.
func TestReasonsOfFabricsChain(t *testing.T) {
	c := MustOpenChain(t)
	expected := conformance.Expected(t)
	var out bytes.Buffer
	for i, block := range conformance.Blocks(t) {
		result, _ := c.MustAdd(t, asOrdered(block))
		for j, reason := range result.Reasons {
			if reason != nil {
				fmt.Fprintf(&out, "%d:%d %s (%s, %s)\n    %s\n", i, j, expected[i].Transactions[j].Case, reason.Code, reason.Kind, reason.Text)
				if reason.Policy != nil {
					fmt.Fprintf(&out, "%s", reason.Policy)
				}
			}
		}
	}
	checkGolden(t, "reasons.golden", out.Bytes())
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if !bytes.Equal(got, want) {
		gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
		for i := range min(len(gotLines), len(wantLines)) {
			if !bytes.Equal(gotLines[i], wantLines[i]) {
				t.Fatalf("%s, line %d:\n got %s\nwant %s\n(-update writes it anew)", path, i+1, gotLines[i], wantLines[i])
			}
		}
		t.Fatalf("%s: %d lines, want %d (-update writes it anew)", path, len(gotLines), len(wantLines))
	}
}
