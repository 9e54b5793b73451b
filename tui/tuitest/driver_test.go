package tuitest_test

import (
	"testing"

	"tallygate/tui/tuitest"
)

func TestAClientIsMade(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{World: tuitest.Empty}, func(d *tuitest.Driver) {
		d.Press("3").Expect("A client is a customer or an app")
		d.Press("n")
		d.Expect("New client")
		d.World.Fail("clients.create", tuitest.ErrLost)
		d.Type("Hotel").Press("space").Type("Aurora").Press("ctrl+s")
		d.Expect("connection refused", "Hotel Aurora")
	})
}
