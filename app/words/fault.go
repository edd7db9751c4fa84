package words

// Fault is an error that a person is told of in the window's language: what happened, and
// what can be done about it.
type Fault struct {
	what, remedy string
	args         []any
}

// NewFault makes an error of two texts of the catalogues; remedy is "" where nothing can be
// done. The values stand in the places of what, and one that is an error is the cause.
func NewFault(what, remedy string, values ...any) *Fault { return &Fault{what, remedy, values} }

// Error is the fault in English, as programs and logs have it.
func (f *Fault) Error() string { return f.told(English()) }

// Unwrap is the cause, nil for none.
func (f *Fault) Unwrap() error {
	for _, v := range f.args {
		if err, ok := v.(error); ok {
			return err
		}
	}
	return nil
}

// In is the fault in a book's language; remedy may be "".
func (f *Fault) In(b *Book) (what, remedy string) {
	values := make([]any, len(f.args))
	for i, v := range f.args {
		if err, ok := v.(error); ok {
			v = b.Fault(err)
		}
		values[i] = v
	}
	if f.remedy != "" {
		remedy = b.L(f.remedy)
	}
	return b.L(f.what, values...), remedy
}

func (f *Fault) told(b *Book) string {
	what, remedy := f.In(b)
	if remedy != "" {
		what += "; " + remedy
	}
	return what
}

// Fault is an error in the book's language, as far as it is one that has texts.
func (b *Book) Fault(err error) string {
	if f, ok := err.(*Fault); ok {
		return f.told(b)
	}
	return err.Error()
}
