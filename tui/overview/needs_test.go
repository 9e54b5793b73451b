package overview

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) // a Wednesday

// What the engine tells is told as it stands, in its order, and leads to what it is about.
func TestWhatNeedsAttention(t *testing.T) {
	over := control.Thing{Kind: "client", ID: "cl_1", Name: "over"}
	s := &live.Snapshot{Status: control.Status{Warnings: []control.Warning{
		{Kind: control.WarnRefused, Gravity: control.Bad, Thing: over, Sentence: "Over is refused now", Detail: "7× since noon", Next: "tallygate clients raise over cost/month --by 5 --until fri"},
		{Kind: control.WarnUnusable, Gravity: control.Bad, Thing: control.Thing{Kind: "provider", ID: "pr_1", Name: "my own"}, Sentence: "Provider my own cannot be used", Next: "tallygate providers test 'my own'"},
		{Kind: control.WarnTurnedDown, Gravity: control.Bad, Sentence: "2 requests failed", Next: "tallygate requests list --filter code:provider_auth"},
		{Kind: control.WarnNear, Gravity: control.Warn, Thing: control.Thing{Kind: "token", Name: "tok_1"}, Sentence: "Site token blog is at 90% of $1.00/day"},
		{Kind: control.WarnUnknown, Gravity: control.Faint, Sentence: "3 requests with a key or token that nobody has"},
	}}}
	got := needs(s, time.UTC)
	if len(got) != len(s.Status.Warnings) {
		t.Fatalf("%d needs of %d warnings", len(got), len(s.Status.Warnings))
	}
	for i, w := range s.Status.Warnings {
		if n := got[i]; n.text != w.Sentence || n.note != w.Detail || n.line != w.Next || n.role != roles[w.Gravity] {
			t.Errorf("%+v is told as %+v", w, n)
		}
	}
	if n := got[0]; n.kind != "client" || n.id != over.ID || n.to != (screen.Goto{Screen: "clients", Filter: "client:=over"}) || n.more != "for good · R raises it" {
		t.Errorf("what is refused: %+v", n)
	}
	if n := got[1]; n.kind != "" || n.to.Filter != `provider:="my own"` || n.line != "tallygate providers test 'my own'" {
		t.Errorf("a provider: %+v", n)
	}
	if n := got[2]; n.to != (screen.Goto{Screen: "requests", Filter: "code:provider_auth"}) {
		t.Errorf("requests that failed: %+v", n)
	}
	if n := got[3]; n.kind != "" {
		t.Errorf("limits of tokens are not raised: %+v", n)
	}
}

func TestAFullBarIsALimitThatIsReached(t *testing.T) {
	for share, want := range map[float64]string{0: "0%", 0.0001: "0.1%", 0.996: "99%", 1: "100%", 1.204: "120%"} {
		if got := part.UsedText(share); got != want {
			t.Errorf("%v is %q, want %q", share, got, want)
		}
	}
}

// Charts move when a bucket closes, and seconds without traffic are not told.
func TestSecondsFallIntoBucketsThatAreOver(t *testing.T) {
	at := noon.Add(7 * time.Second)
	seconds := []tally.Second{{At: noon.Add(-29 * time.Second), Requests: 1}, {At: noon, Requests: 2}, {At: noon.Add(time.Second), Requests: 4}, {At: noon.Add(-time.Hour), Requests: 8}}
	for _, now := range []time.Time{at, at.Add(3 * time.Second)} {
		if got := part.InSeconds(seconds, now, 3, 10*time.Second); got[0].Requests != 1 || got[1].Requests != 0 || got[2].Requests != 2 {
			t.Errorf("at %v: %+v", now, got)
		}
	}
	if got := part.InSeconds(seconds, at.Add(4*time.Second), 3, 10*time.Second); got[1].Requests != 2 || got[2].Requests != 4 {
		t.Errorf("once a bucket has closed: %+v", got)
	}
}

func TestHoursOfAZoneBetweenTheHours(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 25, 11, 30, 0, 0, time.UTC) // 17:00 there
	u := control.Usage{Rows: []control.UsageRow{{At: begin, Sums: control.Sums{Requests: 9}}, {At: begin.Add(-time.Hour), Sums: control.Sums{Requests: 1}}, {At: begin.Add(-24 * time.Hour), Sums: control.Sums{Requests: 2}}}}
	if got := part.InHours(&u, noon, kolkata, 24); got[23].Requests != 1 || got[0].Requests != 2 {
		t.Errorf("%+v", got)
	}
}

func TestChange(t *testing.T) {
	th := theme.New(theme.ASCII)
	for _, tc := range []struct {
		now, before float64
		want        string
	}{{118, 100, "^ 18%"}, {50, 100, "v 50%"}, {100, 100, "same"}, {1, 0, "new"}, {0, 0, "none"}, {5000, 100, "^ 50x"}} {
		if got := widget.Strip(part.Change(th, tc.now, tc.before, false)); got != tc.want {
			t.Errorf("%v after %v is %q, want %q", tc.now, tc.before, got, tc.want)
		}
	}
}

// A provider that does not answer is not shown as well on its screen.
func TestASilentProvider(t *testing.T) {
	p := control.ProviderView{Provider: tally.Provider{Meta: tally.Meta{ID: "pr_1"}, Name: "spare", Enabled: true}, Health: []control.HealthView{{State: control.HealthCooling, Failed: 3, Cause: "unreachable"}},
		LastFailure: &control.LastFailure{AttemptView: control.AttemptView{Cause: "timeout", Detail: "no connection within 10s"}}}
	th := theme.New(theme.Dark)
	if sign := part.ToneSign(th, control.ProviderTable.Tone(&p)); strings.Contains(sign, th.Glyphs.On) || p.State() != "silent" {
		t.Errorf("state: %q %q", sign, p.State())
	}
}
