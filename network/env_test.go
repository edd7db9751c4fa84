package network_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mustEnvironment gives what a shell has after reading an env file.
func mustEnvironment(t *testing.T, path string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `. "$1" && env`, "sh", path)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	env := map[string]string{}
	for _, line := range strings.Split(string(out), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}

// handshake connects as Fabric's peer command does without an override: the
// certificate must be for the host that the address names.
func handshake(addr, caFile string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", caFile)
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	return conn.Close()
}

// One command asks peers of several organisations (--peerAddresses). An override of
// the server's name in the environment would hold for all of them, so the file must
// do without, and the certificates must be good for the addresses.
func TestEnvironmentServesAllPeers(t *testing.T) {
	n := mustStart(t, small)
	for _, org := range []string{"1", "2"} {
		env := mustEnvironment(t, filepath.Join(n.Dir(), "env-org"+org+".sh"))
		if value, set := env["CORE_PEER_TLS_SERVERHOSTOVERRIDE"]; set {
			t.Errorf("the environment of Org%s names %s for every peer", org, value)
		}
		if env["CORE_PEER_LOCALMSPID"] != "Org"+org+"MSP" || env["CORE_PEER_TLS_ENABLED"] != "true" {
			t.Errorf("the environment of Org%s is %v", org, env)
		}
		for _, end := range [][2]string{
			{env["CORE_PEER_ADDRESS"], env["CORE_PEER_TLS_ROOTCERT_FILE"]},
			{env["ORDERER_ADDRESS"], env["ORDERER_CA"]},
		} {
			port := end[0][strings.LastIndexByte(end[0], ':')+1:]
			for _, addr := range []string{end[0], "localhost:" + port} {
				if err := handshake(addr, end[1]); err != nil {
					t.Errorf("Org%s, %s: %v", org, addr, err)
				}
			}
		}
		for _, file := range []string{filepath.Join(env["FABRIC_CFG_PATH"], "core.yaml"), filepath.Join(env["CORE_PEER_MSPCONFIGPATH"], "config.yaml")} {
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		}
	}
}
