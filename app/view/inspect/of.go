package inspect

// Of tells what the trace knows about the selection at the moment. It is never nil;
// without a selection the document has no title.
func Of(in Input) *Document {
	return &Document{Selection: in.Selection}
}
