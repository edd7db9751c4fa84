package samples

// Argument is what is to be known of an argument of a sample's function: its type, as
// Fabric's contract API names types in its metadata, and what one may look like.
type Argument struct {
	Type    string // string, integer
	Example string // of a call that a network which has just started can answer; "" if there is none
}

// Documented says what an argument of a sample is like; all functions that have one of
// this name mean the same by it.
func Documented(name string) Argument {
	switch name {
	case "id":
		return Argument{"string", "asset1"}
	case "newOwner", "owner", "bidder":
		return Argument{"string", "carol"}
	case "color":
		return Argument{"string", "blue"}
	case "size", "amount", "n":
		return Argument{"integer", "5"}
	case "appraisedValue":
		return Argument{"integer", "300"}
	case "name":
		return Argument{"string", "c1"}
	case "auction":
		return Argument{"string", "a1"}
	case "item":
		return Argument{"string", "lamp"}
	case "prefix":
		return Argument{"string", "k"}
	case "ms":
		return Argument{"integer", "200"}
	case "kind":
		return Argument{"string", "box"}
	case "place":
		return Argument{"string", "north"}
	case "query":
		return Argument{"string", `{"selector":{"place":"north"}}`}
	case "count", "number", "places", "pageSize":
		return Argument{"integer", "10"}
	case "bookmark":
		return Argument{"string", "nil"}
	}
	return Argument{Type: "string"}
}
