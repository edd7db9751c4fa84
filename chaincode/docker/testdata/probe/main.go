// Command probe is not a chaincode: tests run it in a chaincode's container, where it
// tells what it can do, or comes to the end that its environment names.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	switch os.Getenv("PROBE") {
	case "exit 0":
		return
	case "exit 3":
		fmt.Println("these are my last words")
		os.Exit(3)
	case "memory":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
		}
	case "flood":
		line := strings.Repeat("x", 1000)
		w := bufio.NewWriter(os.Stdout)
		for range 20_000 {
			fmt.Fprintln(w, line)
		}
		fmt.Fprintln(w, "the end of the flood")
		w.Flush()
	default:
		_ = json.NewEncoder(os.Stdout).Encode(report())
	}
	time.Sleep(time.Hour)
}

// report tells what this process may do.
func report() map[string]string {
	r := map[string]string{"args": strings.Join(os.Args[1:], " "), "env": strings.Join(os.Environ(), "\n")}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		r["status"] = err.Error()
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp":
			r[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	interfaces, err := net.Interfaces()
	for _, i := range interfaces {
		r["interfaces"] += i.Name + " "
	}
	r["interfaces"] += said(err)
	address := strings.TrimPrefix(os.Args[1], "-peer.address=unix://")
	conn, err := net.Dial("unix", address)
	if err == nil {
		_, err = conn.Write([]byte("hello"))
	}
	r["socket"] = said(err)
	_, err = net.DialTimeout("tcp", "1.1.1.1:443", time.Second)
	r["outside"] = said(err)
	for _, path := range []string{"/x", "/run/fabriscope/x", "/proc/sys/kernel/hostname", "/tmp/x"} {
		r["write "+path] = said(os.WriteFile(path, []byte("x"), 0o600))
	}
	entries, err := os.ReadDir("/")
	for _, e := range entries {
		r["root"] += e.Name() + " "
	}
	r["root"] += said(err)
	return r
}

func said(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}
