// Package mango is CouchDB's query language, Mango, as a peer's state database speaks
// it when a topology says `state: couchdb`: rich queries with a selector, fields, a
// sort order and a place to go on from, index definitions, and CouchDB's order of JSON
// values.
//
// It serves the step in which a chaincode asks for GetQueryResult while a proposal is
// simulated. The package knows no database: peer/ledger asks [Query.Plan] which index to
// walk, reads the rows in that order, and asks a [Matcher] about each; the matcher has the
// last word. An index is an order of keys ([Index.Key]) that SQLite keeps.
//
// # How a selector is read
//
// A selector is JSON. [ParseQuery] makes a tree of it in which every leaf is one field
// and one condition, negations pushed down to the leaves, as CouchDB does. That is more
// than form: a field that a document lacks fails every condition but {"$exists": false},
// also a negated one, so {"$not": {"colour": "red"}} does not find documents without a
// colour.
//
// # Order
//
// null, false, true, numbers, strings, arrays, objects; strings as the Unicode Collation
// Algorithm has them (a, A, b), not by bytes. Keys of documents (_id) go by bytes.
//
// Read next: query.go, selector.go, match.go, index.go.
package mango
