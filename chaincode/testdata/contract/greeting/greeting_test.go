package greeting

import "testing"

func TestText(t *testing.T) {
	if Text() == "" {
		t.Error("no greeting")
	}
}
