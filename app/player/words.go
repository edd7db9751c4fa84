package player

import "github.com/fabriscope/fabriscope/app/words"

// Words are the texts of the page around the panels, by the names that it knows them by.
func (p *Player) Words() map[string]string { return PageWords(p.book) }

// PageWords are the texts of the page in a language.
func PageWords(b *words.Book) map[string]string {
	return map[string]string{
		"back": b.L("Event before"), "play": b.L("Play or pause"), "step": b.L("Next event"), "first": b.L("Beginning"), "last": b.L("End"),
		"slower": b.L("Slower: one second shows less"), "pace": b.L("How much of the run one second shows"), "search": b.L("Search: transaction, block, node, key"),
		"link": b.L("Copy link to this moment"), "copied": b.L("Copied."), "theme": b.L("Dark or light"), "language": b.L("Language"),
		"stage": b.L("Stage: the network at this moment"), "timeline": b.L("Timeline: what happens when"), "chain": b.L("Chain: blocks and their transactions"),
		"inspector": b.L("Inspector"), "nothing": b.L("Choose something in a picture, or search for it: what the run knows about it stands here."),
		"reading": b.L("Reading the run ..."), "report": b.L("Report"), "keys": b.L("Keys"), "previous": b.L("Event of the selection before"),
		"next": b.L("Next event of the selection"), "position": b.L("Position in the run"),
		"help":   b.L("Space: play or pause. ← →: event before, next event; with Shift: of the selection. ↑ ↓: through the chain. Home, End. + -: faster, slower. E: event by event. V: enlarge the validation of the selected block. F: fit the stage. W: the whole run, T: follow the playhead. N: next node. P: compare the peers. H: heartbeats. Q: quiet lanes. Enter: open. Esc: back."),
		"player": b.L("Show the run in motion"), "none": b.L("This page holds no run: name one behind its address with ?run=PAGE.html."),
		"slow": b.L("This browser cannot show the run in motion: it needs WebAssembly and DecompressionStream. The report below says the same in words."),
	}
}
