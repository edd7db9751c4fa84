//go:build js && wasm

// Command page is the player in a browser: it hands what a person does in the page to a
// player, and the player's pixels and texts to the page. player.js, which is on the other
// side, calls the functions of the object fabriscope that main makes. Nothing is decided
// here.
package main

import (
	"encoding/json"
	"image"
	"syscall/js"
	"time"

	"github.com/fabriscope/fabriscope/app/player"
	"github.com/fabriscope/fabriscope/app/view"
)

func main() {
	d := &door{}
	js.Global().Set("fabriscope", map[string]any{
		"open": js.FuncOf(d.open), "load": d.with(d.load), "tick": d.with(d.tick), "paint": d.with(d.paint), "down": d.with(d.down),
		"move": d.with(d.move), "up": d.with(d.up), "wheel": d.with(d.wheel), "key": d.with(d.key), "state": d.with(d.state), "markup": d.with(d.markup),
		"follow": d.with(d.follow), "find": d.with(d.find), "search": d.with(d.search), "choose": d.with(d.choose), "goTo": d.with(d.goTo),
		"seek": d.with(d.seek), "scale": d.with(d.scale), "look": d.with(d.look), "words": d.with(d.words),
	})
	js.Global().Call("fabriscopeReady")
	select {}
}

// door is what the page calls.
type door struct{ player *player.Player }

// with makes a function for the page that does nothing before a run was opened.
func (d *door) with(f func(args []js.Value) any) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any {
		if d.player == nil {
			return nil
		}
		return f(args)
	})
}

// open takes a packed run as a Uint8Array; it gives "" or what is wrong with it.
func (d *door) open(_ js.Value, args []js.Value) any {
	packed := make([]byte, args[0].Get("length").Int())
	js.CopyBytesToGo(packed, args[0])
	p, err := player.New(packed)
	if err != nil {
		return err.Error()
	}
	d.player = p
	return ""
}

// load reads for some milliseconds; it gives the share that has been read, or what is wrong.
func (d *door) load(args []js.Value) any {
	share, err := d.player.Load(millis(args[0]))
	if err != nil {
		return err.Error()
	}
	return share
}

func millis(v js.Value) time.Duration { return time.Duration(v.Float() * float64(time.Millisecond)) }

func (d *door) tick(args []js.Value) any { return d.player.Tick(millis(args[0])) }

// paint(panel, w, h, scale, pixels) draws a panel into a Uint8Array of w*h*4 bytes.
func (d *door) paint(args []js.Value) any {
	pic := d.player.Paint(player.Panel(args[0].Int()), args[1].Int(), args[2].Int(), args[3].Float())
	if pic.Rect == (image.Rectangle{}) {
		return false
	}
	js.CopyBytesToJS(args[4], pic.Pix)
	return true
}

func (d *door) down(args []js.Value) any {
	d.player.Down(player.Panel(args[0].Int()), args[1].Float(), args[2].Float())
	return nil
}

func (d *door) move(args []js.Value) any {
	return d.player.Move(player.Panel(args[0].Int()), args[1].Float(), args[2].Float())
}

func (d *door) up(args []js.Value) any {
	d.player.Up(player.Panel(args[0].Int()), args[1].Float(), args[2].Float(), args[3].Bool())
	return nil
}

func (d *door) wheel(args []js.Value) any {
	d.player.Wheel(player.Panel(args[0].Int()), args[1].Float(), args[2].Float(), args[3].Float(), args[4].Float(), args[5].Bool())
	return nil
}

func (d *door) key(args []js.Value) any { return d.player.Key(args[0].String(), args[1].Bool()) }

func (d *door) state([]js.Value) any { return text(d.player.State()) }

func (d *door) markup([]js.Value) any { return d.player.Markup() }

func (d *door) follow(args []js.Value) any { d.player.Follow(args[0].Int()); return nil }

func (d *door) find(args []js.Value) any { d.player.Find(args[0].String()); return nil }

func (d *door) search(args []js.Value) any { return text(d.player.Search(args[0].String())) }

func (d *door) choose(args []js.Value) any { d.player.Choose(args[0].Int()); return nil }

func (d *door) goTo(args []js.Value) any { return d.player.GoTo(args[0].String()) }

func (d *door) seek(args []js.Value) any { d.player.Seek(uint64(args[0].Float())); return nil }

func (d *door) scale(args []js.Value) any {
	d.player.SetScale(view.ScaleAt(args[0].Float()))
	return nil
}

// look(light, still, language) is how everything looks.
func (d *door) look(args []js.Value) any {
	d.player.SetLight(args[0].Bool())
	d.player.SetStill(args[1].Bool())
	d.player.SetLanguage(args[2].String())
	return nil
}

func (d *door) words([]js.Value) any { return text(d.player.Words()) }

// text is a value as JSON, which the page parses.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // of values of ours that hold texts and numbers: a mistake here
		panic(err)
	}
	return string(b)
}
