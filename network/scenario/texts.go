package scenario

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/fabriscope/fabriscope/assets"
)

// Text is what a script says: the id of a text in assets/texts with what stands in
// its places, or a sentence as its author wrote it.
type Text = assets.Text

// sayings makes the texts of one call: they share the arguments args. An argument without a
// place for it is a mistake, and so is a place of a catalogue's text without an argument.
func sayings(args map[string]string, ids ...string) ([]Text, error) {
	texts := make([]Text, len(ids))
	used := map[string]bool{}
	for i, id := range ids {
		texts[i] = Text{ID: id, Args: args}
		for _, name := range texts[i].Places() {
			if _, ok := args[name]; !ok && assets.HasText(id) {
				return nil, fmt.Errorf("the text %s has a place {{.%s}}: give it, like %s = 7", id, name, name)
			}
			used[name] = true
		}
	}
	for name := range args {
		if !used[name] {
			return nil, fmt.Errorf("unexpected keyword argument %q: neither the call nor one of its texts has a place {{.%s}} for it", name, name)
		}
	}
	return texts, nil
}

// placed takes those keywords out of a call that it does not know itself: they stand in
// the places of its texts.
func placed(kwargs []starlark.Tuple, known ...string) (own []starlark.Tuple, args map[string]string, err error) {
	for _, kw := range kwargs {
		name, _ := starlark.AsString(kw[0])
		if slices.Contains(known, name) {
			own = append(own, kw)
			continue
		}
		if args == nil {
			args = map[string]string{}
		}
		if args[name], err = inWords(kw[1], name); err != nil {
			return nil, nil, err
		}
	}
	return own, args, nil
}

// inWords writes a value as it stands in a text.
func inWords(v starlark.Value, name string) (string, error) {
	switch x := v.(type) {
	case starlark.String:
		return string(x), nil
	case starlark.Int, starlark.Float:
		return x.String(), nil
	case *starlark.List, starlark.Tuple:
		list, err := stringList(x, name)
		return strings.Join(list, ", "), err
	}
	return "", fmt.Errorf("%s must be a text, a number or a list of texts, not a %s", name, v.Type())
}

// questionTexts finds the texts of a question that is named by one id: id.question, id.a,
// id.b ... and id.why.
func questionTexts(id string) (question string, options []string, why string, ok bool) {
	if !assets.HasText(id + ".question") {
		return "", nil, "", false
	}
	for i := range maxOptions {
		option := id + "." + strings.ToLower(letter(i))
		if !assets.HasText(option) {
			break
		}
		options = append(options, option)
	}
	return id + ".question", options, id + ".why", true
}

// oneText reads a call whose only argument of its own is a text.
func oneText(function, parameter string, args starlark.Tuple, kwargs []starlark.Tuple) (Text, error) {
	own, places, err := placed(kwargs, "text")
	if err != nil {
		return Text{}, err
	}
	var id string
	if err := starlark.UnpackArgs(function, args, own, parameter, &id); err != nil {
		return Text{}, err
	}
	texts, err := sayings(places, id)
	if err != nil {
		return Text{}, err
	}
	return texts[0], nil
}
