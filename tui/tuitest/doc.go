// Package tuitest drives the terminal interface in a test: the whole App in
// this process, with a clock that moves only when told and an engine behind it.
//
// [Run] starts an interface in a bubble of testing/synctest, so that its
// commands, its timers, the live source and the engine run as they do for a user,
// and yet every test is exact: a [Driver] presses keys, waits until nothing more
// happens, and reads the lines of the screen.
//
//	tuitest.Run(t, tuitest.Setup{Size: "120x36"}, func(d *tuitest.Driver) {
//		d.Press("3", "n").Type("Hotel Borealis").Press("ctrl+s")
//		d.Expect("Created hotel-borealis")
//		sent := tuitest.Sent(d.World, control.ClientsCreate)
//	})
//
// The engine is a [World]: a real one over a store in memory, with the agency of
// engine/demo in it. The way to it remembers what was asked, and can fail, hang or be
// lost.
package tuitest
