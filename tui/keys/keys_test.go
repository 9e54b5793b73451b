package keys_test

import (
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/tui/keys"
	"tallygate/tui/tuitest"
)

func TestAKeyIsIssuedForAClientThatIsChosen(t *testing.T) {
	tuitest.Run(t, tuitest.Only(keys.New), func(d *tuitest.Driver) {
		d.Press("n").Expect("for which client?").Type("aurora").Press("enter")
		d.Expect("New key for hotel-aurora").Type("n8n-prod").Press("tab").Type("90d").Press("ctrl+s")
		in := tuitest.Last(t, d, control.KeysCreate)
		if in.Client != "hotel-aurora" || in.Label != "n8n-prod" || in.Expires != "90d" {
			t.Errorf("the key was asked for as %+v", in)
		}
		d.Expect("only time", "curl")
		d.Press("esc").Expect("will not be shown again").Press("esc").ExpectNot("only time")
		d.Ticks(4).Expect("n8n-prod")
	})
}

func TestAKeyInUseIsRevokedByItsLabel(t *testing.T) {
	tuitest.Run(t, tuitest.Only(keys.New), func(d *tuitest.Driver) {
		d.Press("/").Type("whatsapp").Press("enter", "d")
		d.Expect("Revoke key whatsapp-bot of Hotel Aurora?", "refused with 401", "Rotate instead")
		d.Type("something").Press("enter", "right", "right", "enter")
		if n := len(tuitest.Sent(d.World, control.KeysRevoke)); n != 0 {
			t.Fatal("it was revoked without its label")
		}
		for range "something" {
			d.Press("backspace")
		}
		d.Type("whatsapp-bot").Press("enter", "right", "right", "enter")
		tuitest.Last(t, d, control.KeysRevoke)
		d.Expect("Revoked whatsapp-bot of Hotel Aurora.")
		d.Ticks(4).Press("esc", "/").Type("state:revoked whatsapp").Press("enter").Expect("1 by client")
	})
}

func TestAKeyIsRotatedWithAGrace(t *testing.T) {
	tuitest.Run(t, tuitest.Only(keys.New), func(d *tuitest.Driver) {
		d.Press("/").Type("whatsapp").Press("enter", "r", "ctrl+s")
		if got := tuitest.Last(t, d, control.KeysRotate).Grace; got != 24*time.Hour {
			t.Errorf("the grace is %s, not 24 h", got)
		}
		d.Expect("only time")
	})
}

func TestAKeysExpiryStaysUnlessItIsTyped(t *testing.T) {
	tuitest.Run(t, tuitest.Only(keys.New), func(d *tuitest.Driver) {
		d.Press("/").Type("whatsapp").Press("enter", "e").Expect("Edit whatsapp-bot of Hotel Aurora")
		d.Type("-2").Press("ctrl+s")
		in := tuitest.Last(t, d, control.KeysUpdate)
		if in.Label == nil || *in.Label != "whatsapp-bot-2" || in.Expires != nil {
			t.Errorf("the change is %+v", in)
		}
	})
}

func TestAKeyIsCaptured(t *testing.T) {
	tuitest.Run(t, tuitest.Only(keys.New), func(d *tuitest.Driver) {
		d.Press("/").Type("whatsapp").Press("enter", "C").Expect("Capture whatsapp-bot of Hotel Aurora").Press("ctrl+s")
		if in := tuitest.Last(t, d, control.CaptureStart); in.For != time.Hour || in.Size != 20_000_000 || in.Disk {
			t.Errorf("asked was for %+v", in)
		}
		d.Expect("Capturing until").Ticks(4).Expect("1 captured", "what is sent with it can be read")
		d.Press("C").Expect("Stop capturing whatsapp-bot of hotel-aurora?").Press("right", "enter")
		tuitest.Last(t, d, control.CaptureStop)
		d.Ticks(4).ExpectNot("1 captured")
	})
}

func TestKeysAreNotChangedByAViewer(t *testing.T) {
	s := tuitest.Only(keys.New)
	s.Viewer = true
	tuitest.Run(t, s, func(d *tuitest.Driver) {
		for _, key := range []string{"n", "r", "e", "d", "C"} {
			d.Press(key).Expect("You may look, not change")
		}
	})
}

func TestKeysSayWhatToDoWithoutAny(t *testing.T) {
	s := tuitest.Only(keys.New)
	s.World = tuitest.Empty
	tuitest.Run(t, s, func(d *tuitest.Driver) {
		d.Expect("A key lets a client in", "3  goes to Clients")
		d.Press("n").Expect("make one in Clients first")
	})
}
