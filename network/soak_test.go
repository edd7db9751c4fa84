package network_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Soak: round after round a network is started, loaded, wounded in every way that is
// known, healed, and looked at. Whatever went wrong meanwhile, at the end of a round all
// nodes have the same chain and state, nothing acknowledged is lost, the histories are
// linearizable, and nothing is left: no goroutine, descriptor, process, socket or folder.
//
//	make soak HOURS=2
//	go test ./network -run TestSoak -soak.seed 77   # one round again
var (
	soakTime = flag.Duration("soak.time", 0, "how long TestSoak begins new rounds; 0 is one round")
	soakSeed = flag.Uint64("soak.seed", 1, "seed of TestSoak's first round; each round adds one")
)

// wound is something that is broken on purpose, and how that ends.
type wound struct {
	what string
	heal func() error
}

// soak is one round under way.
type soak struct {
	*crash
	history *history
	wounds  []wound
	count   map[string]int // by kind of wound
	process bool           // every node is a process of its own
}

// asMany is how often a campaign breaks something: while it soaks, for everybody, and where
// each takes long (under the race detector).
func asMany(soaking, usual, short int) int {
	switch {
	case *soakTime > 0:
		return soaking
	case testing.Short():
		return short
	}
	return usual
}

func TestSoak(t *testing.T) {
	total := map[string]int{}
	rounds, began := 0, time.Now()
	var resting *rest
	for seed := *soakSeed; rounds == 0 || time.Since(began) < *soakTime; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { soakRound(t, seed, total) })
		if t.Failed() {
			t.Fatalf("round %d failed; again: go test ./network -run TestSoak -soak.seed %d", rounds+1, seed)
		}
		rounds++
		now := mustRest(t, resting)
		if resting == nil {
			resting = now // the first round has opened what stays open
		}
	}
	t.Logf("%d rounds in %s: %v", rounds, time.Since(began).Round(time.Second), total)
}

func soakRound(t *testing.T, seed uint64, total map[string]int) {
	random := rand.New(rand.NewPCG(seed, 2))
	placement := []string{"inproc", "process"}[seed%2]
	topology := strings.Replace(crashTopology, "placement: process", "placement: "+placement, 1)
	n := mustStart(t, topology)
	s := &soak{
		crash:   &crash{net: n, random: random, dead: map[string]bool{}, kills: map[string]int{}, load: startCrashLoad(n, 6)},
		history: &history{start: time.Now(), definite: map[string]int{}},
		count:   total, process: placement == "process",
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i, name := range []string{"alice", "User1@Org2"} {
		c, own := n.mustClient(name), rand.New(rand.NewPCG(seed, 3+uint64(i)))
		readers.Go(func() { s.history.runUntil(stop, i, c, own) })
	}
	for range asMany(12, 8, 4) {
		s.wound()
		s.passTime()
		if random.IntN(3) > 0 {
			s.healOne()
		}
		if random.IntN(2) > 0 {
			s.passTime()
		}
	}
	for len(s.wounds) > 0 {
		s.healOne()
	}
	s.progress()
	close(stop)
	readers.Wait()
	s.load.end()
	t.Logf("%s: %d verdicts, %d unknown, errors %v; histories: %v, %d unknown", placement,
		s.load.done.Load(), s.load.unknown.Load(), s.load.errs, s.history.definite, s.history.unknown)
	s.check()
	s.history.mustBeLinearizable(t)
}

// runUntil does operations on a few counters of the histories' own. It ends early when it
// was told nothing about too many: each doubles what the checker has to try.
func (h *history) runUntil(stop <-chan struct{}, client int, c *network.Client, random *rand.Rand) {
	const mostUnknown = 10
	for {
		select {
		case <-stop:
			return
		default:
		}
		h.mu.Lock()
		unknown := h.unknown
		h.mu.Unlock()
		if unknown >= mostUnknown {
			return
		}
		h.run(client, c, operation{key: fmt.Sprintf("k%d", random.IntN(4)), read: random.IntN(3) == 0})
	}
}

func (h *history) mustBeLinearizable(t *testing.T) {
	t.Helper()
	switch result, _ := porcupine.CheckOperationsVerbose(counters, h.operations, time.Minute); result {
	case porcupine.Illegal:
		t.Errorf("the history of %d operations is not linearizable", len(h.operations))
	case porcupine.Unknown:
		t.Logf("the checker did not decide about %d operations", len(h.operations))
	}
}

// wound breaks one more thing, of those that can be broken now.
func (s *soak) wound() {
	s.t.Helper()
	kinds := []func() (wound, error){s.killNode, s.stopNode, s.divide, s.cutLinks, s.slowLinks, s.killChaincode, s.pauseChaincode, s.holdMessages, s.lie}
	if s.process {
		kinds = append(kinds, s.killProcess, s.freezeProcess, s.freezeProcess)
	}
	for { // some cannot be done now; a hold and a slow link always can
		w, err := kinds[s.random.IntN(len(kinds))]()
		s.must(err)
		if w.what == "" {
			continue
		}
		s.t.Logf("%s %s", time.Now().Format("05.000"), w.what)
		s.count[strings.Fields(w.what)[0]]++
		if w.heal != nil {
			s.wounds = append(s.wounds, w)
		}
		return
	}
}

func (s *soak) healOne() {
	s.t.Helper()
	if len(s.wounds) == 0 {
		return
	}
	i := s.random.IntN(len(s.wounds))
	w := s.wounds[i]
	s.wounds = slices.Delete(s.wounds, i, i+1)
	if err := w.heal(); err != nil {
		s.t.Fatalf("end of %q: %v", w.what, err)
	}
	s.t.Logf("%s end of: %s", time.Now().Format("05.000"), w.what)
}

// victim is a node that may go away: a majority of the ordering nodes and one peer of each
// organisation stay.
func (s *soak) victim() *network.NodeStatus {
	s.t.Helper()
	var candidates []network.NodeStatus
	for _, status := range s.Nodes.Status(s.ctx()) {
		if status.Running && !s.dead[status.Name] && !s.mate(status.Name) {
			candidates = append(candidates, status)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	v := candidates[s.random.IntN(len(candidates))]
	s.dead[v.Name] = true
	return &v
}

// comesBack ends a wound that took a node away.
func (s *soak) comesBack(name string) func() error {
	return func() error {
		delete(s.dead, name)
		return s.Nodes.Restart(s.ctx(), name)
	}
}

func (s *soak) killNode() (wound, error) {
	v := s.victim()
	if v == nil {
		return wound{}, nil
	}
	return wound{"kill " + v.Role + " " + v.Name, s.comesBack(v.Name)}, s.Nodes.Kill(v.Name)
}

func (s *soak) stopNode() (wound, error) {
	v := s.victim()
	if v == nil {
		return wound{}, nil
	}
	return wound{"stop " + v.Role + " " + v.Name, s.comesBack(v.Name)}, s.Nodes.Stop(s.ctx(), v.Name)
}

// killProcess is somebody else's kill -9, which the network must notice by itself.
func (s *soak) killProcess() (wound, error) {
	v := s.victim()
	if v == nil {
		return wound{}, nil
	}
	ends := func() int {
		return len(s.Events(network.EventFilter{Kind: string(trace.NodeKilled), Node: v.Name}))
	}
	before := ends()
	if err := syscall.Kill(v.PID, syscall.SIGKILL); err != nil {
		return wound{}, err
	}
	s.until("the end of "+v.Name+" is noticed", func() (bool, error) { return ends() > before, nil })
	return wound{"murder " + v.Role + " " + v.Name, s.comesBack(v.Name)}, nil
}

// freezeProcess lets a node stand still for a while: every command to the network would wait
// for it if that lasted.
func (s *soak) freezeProcess() (wound, error) {
	v := s.victim()
	if v == nil {
		return wound{}, nil
	}
	if err := syscall.Kill(v.PID, syscall.SIGSTOP); err != nil {
		return wound{}, err
	}
	s.passTime()
	delete(s.dead, v.Name)
	return wound{"freeze " + v.Role + " " + v.Name, nil}, syscall.Kill(v.PID, syscall.SIGCONT)
}

// linksAreWhole tells whether no wound changed links: Heal ends all of them at once, and
// two at the same time can cut off everybody.
func (s *soak) linksAreWhole() bool { return !s.dead["links"] }

func (s *soak) healLinks() error {
	delete(s.dead, "links")
	return s.Faults.Heal()
}

func (s *soak) orderers() (names []string) {
	for _, name := range s.Topology().NodeNames() {
		if strings.HasPrefix(name, "orderer") {
			names = append(names, name)
		}
	}
	return names
}

// divide cuts one ordering node off from the others, if no ordering node is away.
func (s *soak) divide() (wound, error) {
	all := s.orderers()
	if !s.linksAreWhole() || s.mate(all[0]) {
		return wound{}, nil
	}
	s.dead["links"] = true
	i := s.random.IntN(len(all))
	alone := []string{all[i]}
	s.dead[all[i]] = true
	w := wound{"divide " + all[i], func() error {
		delete(s.dead, all[i])
		return s.healLinks()
	}}
	return w, s.Faults.Partition(alone, slices.Delete(slices.Clone(all), i, i+1))
}

// cutLinks keeps one peer from all ordering nodes but one.
func (s *soak) cutLinks() (wound, error) {
	if !s.linksAreWhole() {
		return wound{}, nil
	}
	s.dead["links"] = true
	all := s.orderers()
	keep := s.random.IntN(len(all))
	peer := fmt.Sprintf("peer%d.org%d", s.random.IntN(2), 1+s.random.IntN(2))
	var errs []error
	for i, name := range all {
		if i != keep {
			errs = append(errs, s.Faults.SetLink(peer, name, link.Shape{Cut: true}))
		}
	}
	return wound{"cut " + peer + " from all but " + all[keep], s.healLinks}, errors.Join(errs...)
}

func (s *soak) slowLinks() (wound, error) {
	if !s.linksAreWhole() {
		return wound{}, nil
	}
	s.dead["links"] = true
	org := fmt.Sprintf("Org%d", 1+s.random.IntN(2))
	shape := link.Shape{Latency: time.Duration(5+s.random.IntN(60)) * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.02}
	return wound{fmt.Sprintf("slow %s: %s", org, shape), s.healLinks}, s.Faults.SetLink(org, "*", shape)
}

// someChaincode is a chaincode process of a peer that is not away.
func (s *soak) someChaincode() (peer, pkg string, pid int) {
	type instance struct {
		peer, pkg string
		pid       int
	}
	var all []instance
	for _, status := range s.Nodes.Status(s.ctx()) {
		for _, c := range status.Chaincodes {
			if pid, err := strconv.Atoi(strings.TrimPrefix(c.Instance, "pid ")); err == nil && c.Ready && !s.dead[status.Name] {
				all = append(all, instance{status.Name, c.PackageID, pid})
			}
		}
	}
	if len(all) == 0 {
		return "", "", 0
	}
	i := all[s.random.IntN(len(all))]
	return i.peer, i.pkg, i.pid
}

func (s *soak) killChaincode() (wound, error) {
	peer, pkg, pid := s.someChaincode()
	if peer == "" {
		return wound{}, nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return wound{}, err
	}
	return wound{"crash " + pkg[:8] + " at " + peer, nil}, nil
}

// pauseChaincode takes its peer away as an endorser.
func (s *soak) pauseChaincode() (wound, error) {
	peer, pkg, _ := s.someChaincode()
	if peer == "" || s.mate(peer) {
		return wound{}, nil
	}
	s.dead[peer] = true
	w := wound{"pause " + pkg[:8] + " at " + peer, func() error {
		delete(s.dead, peer)
		return s.Faults.Pause(s.ctx(), peer, pkg, false)
	}}
	return w, s.Faults.Pause(s.ctx(), peer, pkg, true)
}

func (s *soak) holdMessages() (wound, error) {
	kinds := []trace.Kind{trace.Proposal, trace.ProposalResponse, trace.Broadcast, trace.DeliverBlock, trace.RaftAppend, trace.ChaincodeGetState, trace.ChaincodePutState}
	f := link.Filter{Kind: kinds[s.random.IntN(len(kinds))], Count: 1 + s.random.IntN(5)}
	id, err := s.Faults.Hold(f)
	return wound{fmt.Sprintf("hold %d of %s", f.Count, f.Kind), func() error { return s.Faults.Unhold(id) }}, err
}

// lie makes a peer's endorsements wrong: clients notice, and nothing wrong is committed
// while only one organisation's peers ever lie: two lies may be equal.
func (s *soak) lie() (wound, error) {
	peer := fmt.Sprintf("peer%d.org2.example.com", s.random.IntN(2))
	if s.dead[peer] || s.mate(peer) {
		return wound{}, nil
	}
	s.dead[peer] = true
	w := wound{"lie at " + peer, func() error {
		delete(s.dead, peer)
		return s.Faults.SetLie(s.ctx(), peer, false)
	}}
	return w, s.Faults.SetLie(s.ctx(), peer, true)
}

// rest is what a program holds while no network runs.
type rest struct{ goroutines, descriptors int }

// mustRest waits until no more is held than at an earlier rest, and nothing is left of what
// ran since. It gives what is held now.
func mustRest(t *testing.T, earlier *rest) *rest {
	t.Helper()
	var now rest
	var left []string
	settled := func() (bool, error) {
		now = rest{goroutines: runtime.NumGoroutine(), descriptors: descriptors()}
		left = processesOf(tempDir())
		if entries, err := os.ReadDir(tempDir()); err == nil {
			for _, e := range entries {
				left = append(left, e.Name())
			}
		}
		return len(left) == 0 && (earlier == nil || now.goroutines <= earlier.goroutines && now.descriptors <= earlier.descriptors), nil
	}
	if err := network.Poll(within(t, patience), settled); err != nil {
		stacks := make([]byte, 1<<20)
		t.Fatalf("held now: %+v, before: %+v; left: %q\n%s", now, earlier, left, stacks[:runtime.Stack(stacks, true)])
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d goroutines, %d descriptors, %d MB on the heap", now.goroutines, now.descriptors, memory.HeapAlloc>>20)
	return &now
}

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux
	}
	return len(entries)
}
