// Package chaincode is what a peer knows about chaincodes: packages, which are
// installed, and a Host that runs them and speaks Fabric's stream protocol with them.
//
// It serves step 3 of a transaction. The peer's endorser has opened a simulator and
// calls Host.Execute; the Host finds the stream of that package, launches the
// chaincode first if there is none, sends the call, and hands each request that comes
// back (get this key, put that one) to the endorser's Answer function. The Host knows
// nothing of ledgers and definitions; the endorser nothing of streams and processes.
//
// Read next: package.go (what a package is), host.go (find or launch), stream.go (the
// protocol), then the runtimes in chaincode/process and chaincode/docker.
package chaincode

import "errors"

// The errors that callers tell apart. Texts that wire.md names are Fabric's own,
// because client programs and scripts look for them.
var (
	// ErrPackage: the bytes are not an acceptable chaincode package. Wrapped with
	// what is wrong.
	ErrPackage = errors.New("not a chaincode package")
	// ErrAlreadyInstalled: the same package is installed already.
	ErrAlreadyInstalled = errors.New("chaincode already successfully installed")
	// ErrNotInstalled: no package with that id is installed on this peer.
	ErrNotInstalled = errors.New("chaincode is not installed on this peer")
	// ErrLaunch: the chaincode did not start or did not register.
	ErrLaunch = errors.New("could not launch chaincode")
	// ErrTimeout: the invocation took longer than Config.ExecuteTimeout.
	ErrTimeout = errors.New("timeout expired while executing transaction")
	// ErrStreamTerminated: the chaincode's stream broke during the invocation. The
	// next one launches it anew.
	ErrStreamTerminated = errors.New("chaincode stream terminated")
	// ErrTxExists: the same transaction is running in the same chaincode, most
	// often because a chaincode called itself.
	ErrTxExists = errors.New("exists")
	// ErrClosed: the Host was closed.
	ErrClosed = errors.New("chaincode host is closed")
)
