// Package external is about chaincode that somebody else runs ("chaincode as a
// service"): its package holds no code but a connection.json with the address to
// dial. It serves the launch of a chaincode, before step 3 of a transaction: here to
// launch means to dial.
//
// Read next: chaincode/host.go, which dials and then speaks the same protocol as
// with a chaincode that dialled the peer.
package external

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// FileName is the file in code.tar.gz that holds a Connection.
const FileName = "connection.json"

// DefaultDialTimeout is how long a dial may take if the file says nothing.
const DefaultDialTimeout = 3 * time.Second

const maxFileBytes = 256 << 10

// ErrConnection: a connection.json is missing or wrong.
var ErrConnection = errors.New("connection.json is not usable")

// Connection is the content of connection.json (wire.md B.8).
type Connection struct {
	Address            string   `json:"address"` // host:port
	DialTimeout        Duration `json:"dial_timeout,omitzero"`
	TLSRequired        bool     `json:"tls_required"`
	ClientAuthRequired bool     `json:"client_auth_required,omitzero"`
	ClientKey          string   `json:"client_key,omitzero"`  // PEM
	ClientCert         string   `json:"client_cert,omitzero"` // PEM
	RootCert           string   `json:"root_cert,omitzero"`   // PEM
	Domain             string   `json:"domain,omitzero"`      // server name, with client auth only
}

// Duration is written as Go writes durations ("3s"); a bare number is nanoseconds.
type Duration time.Duration

// MarshalJSON writes the text form.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads either form.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err == nil {
		v, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		*d = Duration(v)
		return nil
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is neither a duration like \"3s\" nor a number of nanoseconds", b)
	}
	*d = Duration(n)
	return nil
}

// Timeout is DialTimeout or the default.
func (c *Connection) Timeout() time.Duration {
	if c.DialTimeout <= 0 {
		return DefaultDialTimeout
	}
	return time.Duration(c.DialTimeout)
}

// Parse reads and checks a connection.json. Errors wrap ErrConnection.
func Parse(text []byte) (*Connection, error) {
	var c Connection
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnection, err)
	}
	host, port, err := net.SplitHostPort(c.Address)
	if strings.Contains(c.Address, "{{") {
		return nil, fmt.Errorf("%w: the address %q is a template, and templates are not filled in; write host:port", ErrConnection, c.Address)
	}
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("%w: the address %q is not host:port", ErrConnection, c.Address)
	}
	if _, err := c.TLS(); err != nil {
		return nil, err
	}
	return &c, nil
}

// FromCode takes connection.json out of a ccaas package's code archive.
func FromCode(code []byte) (*Connection, error) {
	var text []byte
	err := launch.WalkCode(code, func(f launch.File) (err error) {
		if f.Name != FileName {
			_, err = io.Copy(io.Discard, f.Data)
			return err
		}
		if f.Size > maxFileBytes {
			return fmt.Errorf("%w: it has %d bytes, more than %d", ErrConnection, f.Size, maxFileBytes)
		}
		text, err = io.ReadAll(f.Data)
		return err
	})
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, fmt.Errorf("%w: the package has none", ErrConnection)
	}
	return Parse(text)
}

// JSON writes the file, after the checks of Parse.
func (c Connection) JSON() ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if _, err := Parse(text); err != nil {
		return nil, err
	}
	return text, nil
}

// TLS gives the client settings for the dial, nil if tls_required is false. Errors
// wrap ErrConnection.
func (c *Connection) TLS() (*tls.Config, error) {
	if !c.TLSRequired {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(c.RootCert)) {
		return nil, fmt.Errorf("%w: tls_required is set and root_cert holds no certificate in PEM", ErrConnection)
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnection, err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: host}
	if !c.ClientAuthRequired {
		return cfg, nil
	}
	pair, err := tls.X509KeyPair([]byte(c.ClientCert), []byte(c.ClientKey))
	if err != nil {
		return nil, fmt.Errorf("%w: client_auth_required is set and client_cert with client_key is not a pair: %w", ErrConnection, err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	if c.Domain != "" {
		cfg.ServerName = c.Domain
	}
	return cfg, nil
}
