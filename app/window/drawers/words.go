package drawers

import (
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// kindWords says in the window's language what a kind of message that can be held is.
func kindWords(k session.HoldKind) string {
	switch k.Kind {
	case trace.Proposal:
		return lang.L("a proposal on its way to an endorser")
	case trace.ProposalResponse:
		return lang.L("an endorser's answer")
	case trace.ChaincodeTransaction:
		return lang.L("a call handed to the chaincode")
	case trace.ChaincodeGetState:
		return lang.L("the chaincode asks for a key")
	case trace.ChaincodePutState:
		return lang.L("the chaincode writes a key")
	case trace.ChaincodeResponse:
		return lang.L("the peer's answer to the chaincode")
	case trace.ChaincodeCompleted:
		return lang.L("the chaincode's result")
	case trace.Broadcast:
		return lang.L("a transaction on its way to the ordering service")
	case trace.Forward:
		return lang.L("a transaction passed on to the Raft leader")
	case trace.RaftAppend:
		return lang.L("log entries for a follower")
	case trace.DeliverBlock:
		return lang.L("a block on its way to a peer")
	case trace.PeerCall:
		return lang.L("a call between peers")
	}
	return k.Text
}

// workloadWords says in the window's language what a workload does.
func workloadWords(w session.Workload) string {
	switch w.Name {
	case "create":
		return lang.L("Every transaction creates a key of its own: nothing can conflict.")
	case "read":
		return lang.L("Queries of a few keys: nothing is ordered.")
	case "hot":
		return lang.L("Everybody changes the same few keys: most transactions conflict.")
	case "mixed":
		return lang.L("Half are queries, most of the rest create keys, a tenth change the hot keys.")
	}
	return capital(w.Text) + "."
}

// why says in words why nothing can be changed, "" if something can.
func why(s *session.Session) string {
	switch {
	case s == nil:
		return lang.L("No network is running. Start one to use this.")
	case s.Running():
		return ""
	case s.Kind != session.Live:
		return lang.L("This is a recording, not a running network: nothing can be changed in it. Start a network to try things out.")
	case s.ScriptRun() != nil && s.ScriptRun().Running():
		return lang.L("The network is being started.")
	default:
		return lang.L("The network is stopped. Start it again to act on it.")
	}
}
