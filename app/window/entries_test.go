package window

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Plain entries of Fyne would swallow the window's shortcuts.
func TestOnlyEntriesThatLetShortcutsThrough(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "look/") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, call := range []string{"widget.NewEntry(", "widget.NewMultiLineEntry(", "widget.NewPasswordEntry("} {
			if strings.Contains(string(b), call) {
				t.Errorf("%s uses %s); use look.NewEntry and its like", path, call)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
