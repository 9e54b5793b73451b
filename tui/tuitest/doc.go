// Package tuitest drives the terminal interface in a test: the whole App in
// this process, with a clock that moves only when told and a pretend engine
// behind it.
//
// [Run] starts an interface in a bubble of testing/synctest, so that its
// commands, its timers and the live source run as they do for a user, and yet
// every test is exact: a [Driver] presses keys, waits until nothing more
// happens, and reads the lines of the screen.
//
//	tuitest.Run(t, tuitest.Setup{Size: "120x36"}, func(d *tuitest.Driver) {
//		d.Press("3", "n").Type("Hotel Aurora").Press("ctrl+s")
//		d.Expect("Created hotel-aurora")
//		sent := tuitest.Sent(d.World, control.ClientsCreate)
//	})
//
// The pretend engine is a [World]. It answers every operation of package
// control, keeps what is changed in it, remembers what it was asked, and can
// fail, hang or be lost. It is no second engine: prices, limits and history are
// figures that look right, not figures that are computed.
package tuitest
