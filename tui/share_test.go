package tui_test

import (
	"regexp"
	"testing"

	"tallygate/engine/control"
	"tallygate/tui/tuitest"
)

// A link to a client's own page is made and shown once, and esc asks before it is gone.
func TestALinkIsShownOnce(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Press("3").Ticks(2).Press("S").Expect("Link to the page of", "expires", "default 30d").Press("ctrl+s").Ticks(2)
		d.Expect("/share#tgs_", "This is the only time that it is shown")
		secret := regexp.MustCompile(`tgs_[0-9A-Za-z]{43}`).FindString(d.Screen())
		if secret == "" {
			t.Fatal("the secret is not whole")
		}
		d.Press("esc").Expect("It will not be shown again").Press("esc").ExpectNot("tgs_")
		if list := tuitest.Do(t, d.World, control.ShareList, control.ListShares{}); len(list) != 1 || list[0].State != "active" {
			t.Errorf("links: %+v", list)
		}
	})
}
