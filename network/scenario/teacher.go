package scenario

import (
	"context"
	"time"
)

// Teacher shows a lesson to a person. Every hook may be nil; without any the lesson
// runs headless: questions answer themselves, nothing waits for a key, and tasks are
// done by the lesson. All hooks are called from the scenario's goroutine, one at a
// time. Ask and Pause may block for as long as the person thinks; they end with ctx.
// The others return at once.
//
// The real network never waits for the screen: when Say is called, what it speaks of
// has happened or is about to, and Look and Pace tell where the playhead should be.
type Teacher struct {
	// Chapter opens a part of the lesson.
	Chapter func(Chapter)
	// Say shows one or two sentences. Like all texts, they become words where they are
	// shown: Text.In.
	Say func(text Text)
	// Ask gives the index of the option that the person chose; a wrong one is no error.
	// Unless Later is set it also tells the person whether that was right, and why.
	Ask func(ctx context.Context, q Question) (int, error)
	// Pause shows a text (maybe none) and returns when the person wants to go on.
	Pause func(ctx context.Context, text Text) error
	// Task asks the person to do something in the window. Task.Done tells the end.
	Task func(Task)
	// Highlight makes these things stand out until the next call; none: nothing does.
	Highlight func([]Mark)
	// CloseUp enlarges the validation of a block; the zero value closes it.
	CloseUp func(CloseUp)
	// Pace sets how the playhead moves.
	Pace func(Pace)
	// Look puts the playhead at an event of the trace.
	Look func(Look)
	// Conceal shows nothing of what happens from now on, until Look or Pace lead to it.
	Conceal func()
}

// Chapter is a part of a lesson.
type Chapter struct {
	N, Of int // from 1; Of counts the chapter() calls in the source
	Title Text
}

// Question asks for a prediction.
type Question struct {
	N, Of   int // from 1; Of counts the ask() calls in the source
	Text    Text
	Options []Text
	Answer  int  // index of the right option
	Why     Text // why it is right
	// Later: do not tell yet whether the choice is right. The network shows it first;
	// then Say is called with a sentence that compares (the script's reveal()).
	Later bool
}

// Task is something that the person does in the window while the lesson watches the
// trace.
type Task struct {
	Text, Hint Text // Hint.ID is "" if there is none
	// Chaincode and Function are what is to be called, "" if the task is something else.
	Chaincode, Function string
	// Do makes the lesson do the task itself (for a button "Show me"). It may be
	// called from any goroutine, once or more.
	Do func()
	// Done is closed when the task is done or the lesson has ended.
	Done <-chan struct{}
}

// MarkKind says what a Mark is.
type MarkKind string

// The kinds of marks.
const (
	MarkNode      MarkKind = "node"      // a peer or an ordering node, full name
	MarkClient    MarkKind = "client"    // such as alice
	MarkOrg       MarkKind = "org"       // an organisation's name
	MarkContainer MarkKind = "container" // a chaincode's node name, "basic_1.0@peer0.org1.example.com"
	MarkTx        MarkKind = "tx"        // full transaction id
	MarkBlock     MarkKind = "block"     // "block 7"
	MarkKey       MarkKind = "key"       // a state key
)

// Mark is one highlighted thing.
type Mark struct {
	Kind  MarkKind
	Name  string
	Block uint64 // MarkBlock: its number
	// Namespace of a MarkKey: the chaincode that it belongs to, "" where that is not known.
	Namespace string
}

// CloseUp is a block whose validation is enlarged. Block 0 (the genesis block, which
// has nothing to show) means: close it.
type CloseUp struct {
	Block uint64
	Peer  string // full name
}

// Pace is how the playhead moves: Live at the trace's end, Events one event after the
// other, else so that one second of the screen shows Scale of the trace.
type Pace struct {
	Live, Events bool
	Scale        time.Duration
}

// Look is where the playhead should be.
type Look struct {
	Seq    uint64 // an event of the trace
	TxID   string // the transaction that it concerns, "" if none
	Paused bool   // stand there; else go on from there at the present pace
}
