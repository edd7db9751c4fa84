package external_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/external"
)

func TestParse(t *testing.T) {
	c, err := external.Parse([]byte(`{"address":"cc.example.com:9999","dial_timeout":"10s","tls_required":false}`))
	if err != nil || c.Address != "cc.example.com:9999" || c.Timeout() != 10*time.Second {
		t.Fatalf("got %+v, %v", c, err)
	}
	if config, err := c.TLS(); config != nil || err != nil {
		t.Errorf("TLS gave %v, %v without tls_required", config, err)
	}
	c, err = external.Parse([]byte(`{"address":"a:1","dial_timeout":5000000000}`))
	if err != nil || c.Timeout() != 5*time.Second {
		t.Errorf("nanoseconds: got %+v, %v", c, err)
	}
	c, err = external.Parse([]byte(`{"address":"a:1"}`))
	if err != nil || c.Timeout() != external.DefaultDialTimeout {
		t.Errorf("no timeout: got %+v, %v", c, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":    `address: a:1`,
		"no address":  `{}`,
		"no port":     `{"address":"a"}`,
		"template":    `{"address":"{{.peername}}_cc:9999"}`,
		"duration":    `{"address":"a:1","dial_timeout":"soon"}`,
		"no root":     `{"address":"a:1","tls_required":true}`,
		"client pair": `{"address":"a:1","tls_required":true,"client_auth_required":true}`,
	} {
		if c, err := external.Parse([]byte(text)); !errors.Is(err, external.ErrConnection) {
			t.Errorf("%s: got %+v, %v; want ErrConnection", name, c, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"address":"a:1","dial_timeout":"10s","tls_required":true,"root_cert":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := external.Parse(text)
		if err != nil {
			return
		}
		again, err := c.JSON()
		if err != nil {
			t.Fatalf("%s was accepted, but writing it fails: %v", text, err)
		}
		if d, err := external.Parse(again); err != nil || *d != *c {
			t.Fatalf("%s became %s: %v", text, again, err)
		}
	})
}
