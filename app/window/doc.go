// Package window is the Fyne window: the start screen, the stage with its rail, drawers,
// timeline, chain and inspector, and the presenter mode. It turns what a person does into
// actions of a session and shows what the session's models say; it decides nothing about
// networks.
//
// Everything runs on the goroutine of the user interface. The frame loop (loop.go) calls
// Shell.tick once a frame: the session takes what is new in its trace, and only what
// changed is drawn. The engine never waits for the screen.
//
// Read next: run.go (how the window comes up), shell.go (what it consists of), actions.go
// (the one table of everything that can be done, from which keys, menus, the palette and
// the help are made).
package window
