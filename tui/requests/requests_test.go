package requests_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/requests"
	"tallygate/tui/tuitest"
)

func TestTheTailFollowsAndStandsStill(t *testing.T) {
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		d.Expect("● live")
		top := func() string { return d.Lines()[6] }
		first := top()
		d.World.More(5)
		d.Ticks(2)
		if top() == first {
			t.Errorf("the tail does not follow: %s", first)
		}
		d.Press("space").Expect("paused")
		first = top()
		d.World.More(37)
		d.Ticks(2).Expect("37 new")
		if top() != first {
			t.Errorf("the tail moves while it is paused: %s, then %s", first, top())
		}
		d.Press("G").Expect("● live").ExpectNot("new")
		d.Press("down").Expect("paused")
		d.World.Crowd(500)
		d.Ticks(2).Expect("500 new").Press("esc").Expect("● live")
	})
}

func TestRequestsAreFiltered(t *testing.T) {
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		d.Press("/").Type("client:hotel-aurora status:429").Press("enter").Expect("/ client:hotel-aurora").ExpectNot("acme-bakery", "gym-pulse")
		if q := tuitest.Last(t, d, control.RequestsList); q.Filter != "client:hotel-aurora status:429" {
			t.Errorf("the engine is asked for %+v", q)
		}
		d.Press("esc").Expect("acme-bakery").Press("f").Expect("failures only  ●").ExpectNot("✓ 200")
		d.Press("esc").ExpectNot("failures only  ●")
		d.Press("/").Type("no such thing at all").Press("enter").Expect("No request matches")
	})
}

// The slowest and the dearest are those of the store, not of what was read so far.
func TestTheSlowestAreFoundInTheStore(t *testing.T) {
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		d.World.Crowd(3000)
		d.Ticks(2)
		for key, by := range map[string]string{"z": "latency", "$": "cost"} {
			most := tuitest.Do(t, d.World, control.RequestsList, control.RequestQuery{Sort: by, Limit: 1}).Requests[0]
			d.Press(key).Expect("by " + by + " of ")
			d.Press("enter").Expect(string(most.ID)).Press("esc", "G").Expect("● live")
		}
		for _, by := range []string{"latency", "cost", "tokens"} { // as one key goes through them
			most := tuitest.Do(t, d.World, control.RequestsList, control.RequestQuery{Sort: by, Limit: 1}).Requests[0]
			d.Press("o").Expect("by " + by + " of ").Press("enter").Expect(string(most.ID)).Press("esc")
		}
		d.Press("o").Expect("● live").Press("o", "esc").Expect("● live")
	})
}

// The engine is not asked for each letter of a word: once nothing more is typed, or at
// once when the filter is said to be complete.
func TestAFilterIsAskedForOnce(t *testing.T) {
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		asked := func(want string) {
			t.Helper()
			var got []string
			for _, q := range tuitest.Sent(d.World, control.RequestsList) {
				got = append(got, q.Filter)
			}
			if strings.Join(got, "|") != want {
				t.Errorf("the engine is asked for %q, want %s", got, want)
			}
		}
		d.Press("/")
		d.World.Forget()
		d.Type("model:n").Wait(100 * time.Millisecond)
		d.Type("one").Wait(149 * time.Millisecond)
		asked("")
		d.Wait(2 * time.Millisecond).Expect("No request matches")
		asked("model:none")
		d.Type("x").Press("enter")
		asked("model:none|model:nonex")
		d.Ticks(2)
		asked("model:none|model:nonex")
		d.Press("/").Type("y").Press("esc").Wait(150 * time.Millisecond)
		asked("model:none|model:nonex|model:nonexy")
	})
}

func TestOlderRequestsAreRead(t *testing.T) {
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		d.World.Crowd(3000)
		d.Ticks(2)
		for range 120 {
			d.Press("pgdown")
		}
		d.Expect("paused")
		if q := tuitest.Last(t, d, control.RequestsList); q.After == "" {
			t.Errorf("only the first page was read: %+v", q)
		}
		d.World.Fail("requests.list", tally.Errorf(tally.Unavailable, "not now"))
		d.Press("/").Type("status:418").Press("enter").Expect("not now")
	})
}

func TestARequestIsExplained(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "140x60", Screens: tuitest.Only(requests.New).Screens}, func(d *tuitest.Driver) {
		d.Press("/").Paste("status:200 client:hotel-aurora model:gpt-4.1-mini").Press("enter")
		d.Expect("✓ 200 answered", "CHECKS", "✓ limits", "✓ provider", "LIMITS", "by this request", "PRICE", "input", "× $0.4", "cost", "Tokens as the provider reported them", "first byte")
		d.Press("esc", "/").Paste("code:rate_limit").Press("enter").Expect("refused by a limit", "✗ limits", "- provider", "stopped at limits: rate limit")
		d.Press("esc", "/").Paste("outcome:lost").Press("enter").Expect("tallygate stopped before it knew")
		d.Press("y")
		if len(d.Copied) != 1 || !strings.HasPrefix(d.Copied[0], "req_") {
			t.Errorf("copied %q", d.Copied)
		}
	})
}

func TestRequestsAreExported(t *testing.T) {
	t.Chdir(t.TempDir())
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		d.World.More(2500)
		d.Press("/").Type("aurora").Press("enter") // words are looked for here, page by page
		write := func(name string, json bool) *tuitest.Driver {
			d.Press("X").Expect("Export requests")
			if json {
				d.Press("right")
			}
			d.Press("tab")
			for range 40 {
				d.Press("backspace")
			}
			return d.Type(name).Press("ctrl+s")
		}
		write("out", false).Expect("Wrote ", " rows to out.csv.")
		f, err := os.Open("out.csv")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil || len(rows) < 700 || rows[0][0] != "id" {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, r := range rows[1:] {
			if r[3] != "hotel-aurora" {
				t.Fatalf("a row of another client: %v", r)
			}
		}
		if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
		write("out", false).Expect("is there already").Press("esc")
		write("out.json", true).Expect("rows to out.json.")
		b, err := os.ReadFile("out.json")
		var all []control.RequestView
		if err != nil || json.Unmarshal(b, &all) != nil || len(all) != len(rows)-1 {
			t.Errorf("%d values in JSON, %d rows in CSV, %v", len(all), len(rows)-1, err)
		}
		write("no/such/folder", false).Expect("cannot be written", "no such file").Press("esc")
		d.World.Fail("requests.list", tally.Errorf(tally.Unavailable, "not now"))
		write("half", false).Expect("not now").Press("esc")
		if _, err := os.Stat("half.csv"); err == nil {
			t.Error("half a file was left")
		}
		d.World.Hang("requests.list")
		write("never", false).Expect("esc stops it").Press("esc").Wait(time.Second).Expect("the export was stopped")
		if _, err := os.Stat("never.csv"); err == nil {
			t.Error("half a file was left")
		}
	})
}

// Where there is little room, how a request ended is not what goes.
func TestStatusIsAlwaysThere(t *testing.T) {
	for _, size := range []string{"60x16", "80x24"} {
		tuitest.Run(t, tuitest.Setup{Size: size, Screens: tuitest.Only(requests.New).Screens}, func(d *tuitest.Driver) {
			d.Expect("status", " 200 ", " 429 ", "cost")
		})
	}
}

// What was captured of a request is read where the request is: the conversation, or the bodies
// as they passed.
func TestWhatWasCapturedIsRead(t *testing.T) {
	tuitest.Run(t, tuitest.Only(requests.New), func(d *tuitest.Driver) {
		d.Press("C").Expect("It was not captured")
		tuitest.Do(t, d.World, control.CaptureStart, control.StartCapture{PickCapture: control.PickCapture{Client: "hotel-aurora"}})
		tried := tuitest.Do(t, d.World, control.EngineTry, control.Try{Client: "hotel-aurora", Prompt: "Is the pool open? " + strings.Repeat("Please say. ", 40)})
		d.Ticks(4).Press("G").Press("enter", "pgdown", "pgdown").Expect("This request was captured")
		d.Press("C").Expect("Captured "+string(tried.Request.ID), "Is the pool open?", "ANSWER", "r the bodies")
		d.Press("r").Expect("HEADERS OF THE REQUEST", `"messages":[{`).ExpectNot("Authorization").Press("pgdown", "pgdown").Expect("finish_reason")
		d.Press("y").Expect("clipboard").Press("esc").ExpectNot("r the conversation")
	})
	s := tuitest.Only(requests.New)
	s.Viewer = true
	tuitest.Run(t, s, func(d *tuitest.Driver) { d.Press("C").Expect("You may look, not change") })
}
