package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/network"
)

// Bench is a load with what it cost.
type Bench struct {
	Summary
	CPUMSPerTx float64 `json:"cpu_ms_per_tx"` // of all our processes, clients included
	// CryptoFloorMS is the time of the signature operations that one transaction
	// needs, each distinct signature verified once, timed in the same run.
	CryptoFloorMS float64 `json:"crypto_floor_ms"`
	FloorRatio    float64 `json:"floor_ratio"` // CPU per transaction over the floor
	SignMS        float64 `json:"sign_ms"`     // one signature on this computer, under this load
	VerifyMS      float64 `json:"verify_ms"`
	Signs         int     `json:"signs_per_tx"`
	Verifies      int     `json:"verifies_per_tx"`
	RSSMB         float64 `json:"rss_mb"`      // of all our processes, at the end
	RestRSSMB     float64 `json:"rest_rss_mb"` // before the load
	Processes     int     `json:"processes"`
	Cores         int     `json:"cores"`
	Peers         int     `json:"peers"`
	Orderers      int     `json:"orderers"`
	Faithful      bool    `json:"faithful"`
	Recording     bool    `json:"recording"`
	Runtime       string  `json:"runtime"`
	Disk          DiskUse `json:"disk"`
}

// RunBench makes a load on a running network and measures what it costs.
func RunBench(ctx context.Context, n *network.Network, o Options) (*Bench, error) {
	rest, err := Measure()
	if err != nil {
		return nil, err
	}
	if o.WarmUp == 0 {
		o.WarmUp = min(2*time.Second, o.Duration/5)
	}
	warm := o
	warm.Duration, warm.WarmUp, warm.Progress = o.WarmUp, 0, nil
	if _, err := Run(ctx, n, warm); err != nil {
		return nil, err
	}
	o.WarmUp = 0
	earlier := timeAll() // the computer's speed may change meanwhile
	before, err := Measure()
	if err != nil {
		return nil, err
	}
	disk := watchDisk(n)
	s, err := Run(ctx, n, o)
	if err != nil {
		disk.use(0, nil)
		return nil, err
	}
	after, err := Measure()
	if err != nil {
		disk.use(0, nil)
		return nil, err
	}
	b := &Bench{Summary: *s, Cores: runtime.NumCPU(), RSSMB: megabytes(after.RSS), RestRSSMB: megabytes(rest.RSS), Processes: after.Processes,
		Faithful: n.Topology().Faithful, Orderers: n.Topology().Orderers.Nodes}
	peers := map[string]bool{}
	for _, status := range n.Nodes.Status(ctx) {
		if status.Role == "peer" {
			peers[status.Name] = true
			b.Peers++
			b.Runtime = status.Runtime
		}
	}
	b.Disk = disk.use(time.Duration(s.Seconds*float64(time.Second)), peers)
	b.floor(endorsersOf(n, o), earlier, timeAll())
	if s.Committed > 0 {
		b.CPUMSPerTx = float64((after.CPU - before.CPU).Microseconds()) / 1000 / float64(s.Committed)
		b.FloorRatio = b.CPUMSPerTx / b.CryptoFloorMS
	}
	return b, nil
}

// endorsersOf is how many organisations endorse a transaction of the load: all, or as
// many as the policy needs where only those are asked.
func endorsersOf(n *network.Network, o Options) int {
	all := len(n.Topology().Organizations)
	if !o.Needed && !o.Outside {
		return all
	}
	chaincode := o.Chaincode
	if chaincode == "" {
		chaincode = defaultChaincode(n, o.Workload)
	}
	if groups := n.Topology().Needed(chaincode); len(groups) > 0 {
		return len(groups[0])
	}
	return all
}

func megabytes(b int64) float64 { return float64(b) / (1 << 20) }

// floor counts the signature operations of one transaction and adds up their time:
// the client signs the proposal and the envelope, each endorser signs its result;
// the proposal, the envelope and every endorsement are verified. Of a read there
// are the proposal, signed and verified, and one endorser's signature.
func (b *Bench) floor(endorsers int, times ...signatureTimes) {
	b.Signs, b.Verifies = 2+endorsers, 2+endorsers
	if b.Workload == "read" {
		b.Signs, b.Verifies = 2, 1
	}
	var sign, verify float64 // mean, in ms
	for _, t := range times {
		sign += t.sign.Seconds() * 1000 / float64(len(times))
		verify += t.verify.Seconds() * 1000 / float64(len(times))
	}
	b.SignMS, b.VerifyMS = sign, verify
	b.CryptoFloorMS = float64(b.Signs)*sign + float64(b.Verifies)*verify
	if reads := b.Codes["READ"]; b.Workload == "mixed" && b.Committed > 0 {
		share := float64(reads) / float64(b.Committed)
		b.CryptoFloorMS = (1-share)*b.CryptoFloorMS + share*(2*sign+verify)
	}
}

// signatureTimes is the processor time of one signature and of one verification.
type signatureTimes struct{ sign, verify time.Duration }

// timeAll measures ECDSA P-256: the median of many rounds, on all processors at
// once, because a load keeps them all busy too and one alone may run faster.
func timeAll() signatureTimes {
	var mu sync.Mutex
	var signs, verifies []time.Duration
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			s, v := timeSignatures()
			mu.Lock()
			defer mu.Unlock()
			signs, verifies = append(signs, s...), append(verifies, v...)
		})
	}
	wg.Wait()
	if len(signs) == 0 {
		return signatureTimes{}
	}
	return signatureTimes{sign: median(signs), verify: median(verifies)}
}

// timeSignatures gives the times of some rounds on one processor.
func timeSignatures() (signs, verifies []time.Duration) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	digest := sha256.Sum256([]byte("crypto floor"))
	const rounds, each = 15, 40
	for range rounds {
		var signature []byte
		begin := threadTime()
		for range each {
			signature, _ = ecdsa.SignASN1(rand.Reader, key, digest[:])
		}
		signed := threadTime()
		for range each {
			ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature)
		}
		signs = append(signs, (signed-begin)/each)
		verifies = append(verifies, (threadTime()-signed)/each)
	}
	return signs, verifies
}

func median(d []time.Duration) time.Duration {
	for i := range d {
		for j := i; j > 0 && d[j] < d[j-1]; j-- {
			d[j], d[j-1] = d[j-1], d[j]
		}
	}
	return d[len(d)/2]
}

// Text says what was measured.
func (b *Bench) Text() string {
	text := fmt.Sprintf("%d transactions in %.1f s: %.0f a second, %d valid", b.Committed, b.Seconds, b.ThroughputTxS, b.Valid)
	if b.Errors > 0 {
		text += fmt.Sprintf(", %d without a verdict (%s)", b.Errors, b.FirstError)
	}
	text += fmt.Sprintf("\nlatency: median %.1f ms, 90 %% %.1f ms, 99 %% %.1f ms, longest %.1f ms", b.LatencyMS.P50, b.LatencyMS.P90, b.LatencyMS.P99, b.LatencyMS.Max)
	text += fmt.Sprintf("\nsteadiness: longest time without a commit %.0f ms, worst 99 %% of ten seconds %.1f ms", b.LongestPauseMS, b.WorstP99MS)
	operations := fmt.Sprintf("%d signatures and %d verifications", b.Signs, b.Verifies)
	if b.Workload == "mixed" {
		operations = "signatures and verifications"
	}
	text += fmt.Sprintf("\nCPU: %.3f ms a transaction, %.2f times the %.3f ms of its %s (%.3f and %.3f ms each)",
		b.CPUMSPerTx, b.FloorRatio, b.CryptoFloorMS, operations, b.SignMS, b.VerifyMS)
	text += fmt.Sprintf("\nmemory: %.0f MB resident in %d processes, %.0f MB before the load", b.RSSMB, b.Processes, b.RestRSSMB)
	text += "\n" + b.Disk.Text()
	for code, count := range b.Codes {
		text += fmt.Sprintf("\n%8d  %s", count, code)
	}
	return text
}
