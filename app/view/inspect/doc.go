// Package inspect says everything that the trace knows about one selected thing: a
// transaction, block, peer, container, ordering node, client, message, key or ledger.
//
// Of takes what is selected and the moment that is shown, and gives a Document: a
// title and blocks (a journey, cards, tables, trees) that a window lays out and a text
// or JSON holds just as well. It reads events and the messages kept with them, so it
// says the same about a live network and about a recorded run. What had not happened
// at the moment is not in the document, or is marked as still to come.
//
// What happened, and where it stands in the trace, it asks of view/facts; an Index adds
// what was decoded of blocks.
//
// Read next: document.go (what a document consists of), of.go (what is told of what).
package inspect
