package control

import (
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// PickCapture picks whose requests are captured: a key, or without one all keys of a client.
type PickCapture struct {
	Key    string `json:"key,omitempty" arg:"1?" of:"key" help:"key id, or its label with --client; left out: all keys of the client"`
	Client string `json:"client,omitempty" of:"client" help:"the client, if the key is named by label, or if all its keys are meant"`
}

// StartCapture begins to keep what is sent with a key, and what comes back.
type StartCapture struct {
	PickCapture
	For  time.Duration `json:"for_ns,omitempty" flag:"for" help:"for how long, from a minute to 168h; default 1h"`
	Size Size          `json:"size,omitempty" help:"the most that is kept, the latest before older ones: from 100k to 200M bytes; default 20M"`
	Disk bool          `json:"disk,omitempty" help:"keep it sealed in the data folder, over a restart; else it is in memory only"`
}

// CaptureView is a capture as it stands.
type CaptureView struct {
	Of     string    `json:"of"` // "key" or "client"
	ID     tally.ID  `json:"id"` // its
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by,omitempty"`
	Disk   bool      `json:"disk"`
	Most   int64     `json:"size_bytes"` // that it may take
	Bytes  int64     `json:"bytes"`      // that it takes
	Kept   int       `json:"kept"`       // requests
	Pushed int64     `json:"pushed_out"` // that later ones have pushed out
	Missed int64     `json:"missed"`     // that could not be kept
}

// CapturedView is a request that was captured, in short.
type CapturedView struct {
	ID           tally.ID  `json:"id"`
	Record       tally.ID  `json:"record,omitempty"` // that counts it, if that is of another request
	At           time.Time `json:"at"`
	Client       string    `json:"client"`
	Key          string    `json:"key"`
	Path         string    `json:"path"`
	Model        string    `json:"model,omitempty"`
	Stream       bool      `json:"stream,omitempty"`
	Status       int       `json:"status"`
	TookMS       float64   `json:"took_ms"`
	RequestBytes int64     `json:"request_bytes"`
	AnswerBytes  int64     `json:"answer_bytes"`
	RequestCut   bool      `json:"request_cut,omitempty"` // not all of it is kept
	AnswerCut    bool      `json:"answer_cut,omitempty"`
	Redacted     bool      `json:"redacted,omitempty"` // the request had secrets in it, which are not kept
}

// ListCaptured selects what was captured.
type ListCaptured struct {
	PickCapture
	Rows
}

// Captured is what is captured, and what was.
type Captured struct {
	Captures []CaptureView  `json:"captures"`
	Requests []CapturedView `json:"requests"`
}

// PickCaptured picks a request that was captured.
type PickCaptured struct {
	Request string `json:"request" arg:"1" help:"request id, as in x-request-id"`
}

// Spoken is a part of a conversation.
type Spoken struct {
	Who  string `json:"who"`
	Text string `json:"text"`
}

// CapturedRequest is what a client has sent and was answered, without secrets.
type CapturedRequest struct {
	CapturedView
	Method        string              `json:"method"`
	RequestHeader map[string][]string `json:"request_header,omitempty"`
	AnswerHeader  map[string][]string `json:"answer_header,omitempty"`
	// RequestBody and AnswerBody are as they passed, in base64 where Binary says so.
	RequestBody   string `json:"request_body"`
	RequestBinary bool   `json:"request_binary,omitempty"`
	AnswerBody    string `json:"answer_body"`
	AnswerBinary  bool   `json:"answer_binary,omitempty"`
	// Spoken is the conversation as people read it, as far as it can be read, the answer last.
	Spoken []Spoken `json:"spoken,omitempty"`
}

// CapturedCurl is a request as a command line.
type CapturedCurl struct {
	Curl string `json:"curl"`
	// Note says what is not as it was, "" if nothing is.
	Note string `json:"note,omitempty"`
}

// ReplayCaptured sends a request again that was captured.
type ReplayCaptured struct {
	PickCaptured
	Model    string        `json:"model" of:"model" help:"model that it is sent to"`
	Provider string        `json:"provider,omitempty" of:"provider" help:"only to this provider"`
	Max      tally.NanoUSD `json:"max_nano_usd" flag:"max" help:"the most that it may cost, in US dollars, like 0.50; a longer answer is cut there"`
}

// ReplaySide is one of the two answers of a replay.
type ReplaySide struct {
	Request     tally.ID      `json:"request"`
	Model       string        `json:"model"`
	Provider    string        `json:"provider,omitempty"`
	Status      int           `json:"status"`
	Input       int64         `json:"input_tokens"`
	Output      int64         `json:"output_tokens"`
	AnswerBytes int64         `json:"answer_bytes"`
	TookMS      float64       `json:"took_ms"`
	Cost        tally.NanoUSD `json:"cost_nano_usd"`
	Credits     tally.NanoUSD `json:"credits_nano_usd"`
	Cut         bool          `json:"cut,omitempty"` // the answer ended where its bound was
	Recorded    bool          `json:"recorded"`      // else what it has cost is not known
	Reason      string        `json:"reason,omitempty"`
}

// Replayed compares an answer to a request with another one.
type Replayed struct {
	Before ReplaySide `json:"before"`
	After  ReplaySide `json:"after"`
	// Difference is what the replay has cost more, below zero: less; nil where one of the two
	// was not answered, or is not on record any more.
	Difference *tally.NanoUSD `json:"difference_nano_usd,omitempty"`
	Note       string         `json:"note,omitempty"` // what is not as it was
}

// The operations on captures. All need the right to write: what clients have sent is not for
// everybody who may look.
var (
	CaptureStart  = Op[StartCapture, CaptureView]{"capture.start", Write, "keep what is sent with a key and what comes back, for a while; off until then"}
	CaptureStop   = Op[PickCapture, CaptureView]{"capture.stop", Write, "end a capture and remove what it has kept"}
	CaptureList   = Op[ListCaptured, Captured]{"capture.list", Write, "list captures, and the requests they have kept"}
	CaptureShow   = Op[PickCaptured, CapturedRequest]{"capture.show", Write, "show what a client has really sent, and what came back"}
	CaptureCurl   = Op[PickCaptured, CapturedCurl]{"capture.curl", Write, "print the command line that sends a captured request again"}
	CaptureReplay = Op[ReplayCaptured, Replayed]{"capture.replay", Write, "send a captured request again, on another model, and compare"}
)

// CapturedTable shows requests that were captured.
var CapturedTable = NewTable(Table[*CapturedView]{
	Thing: "captured request", Make: "tallygate capture start KEY",
	ID: func(v *CapturedView) string { return string(v.ID) },
	Text: func(v *CapturedView) string {
		return joinLines(string(v.ID), string(v.Record), v.Client, v.Key, v.Path, v.Model)
	},
	Orders: []string{"at", "took", "request"},
	Columns: []Column[*CapturedView]{
		{Name: "id", Title: "request"},
		{Name: "at"},
		{Name: "client"},
		{Name: "key", Spare: 2},
		{Name: "path", Spare: 3},
		{Name: "model"},
		{Name: "status"},
		{Name: "took", Field: "took_ms", Spare: 1},
		{Name: "sent", Field: "request_bytes", Get: func(v *CapturedView) Value { return SizeOf(v.RequestBytes) }},
		{Name: "answer", Field: "answer_bytes", Get: func(v *CapturedView) Value { return SizeOf(v.AnswerBytes) }},
		{Name: "cut", Derived: true, Spare: 1, Get: func(v *CapturedView) Value { return WordOf(v.Marks()) }},
	},
})

// Marks say what of the request is not as it was.
func (v *CapturedView) Marks() string {
	var out []string
	for _, m := range [...]struct {
		is   bool
		word string
	}{{v.RequestCut, "request cut"}, {v.AnswerCut, "answer cut"}, {v.Redacted, "redacted"}} {
		if m.is {
			out = append(out, m.word)
		}
	}
	return strings.Join(out, ", ")
}

// Size is a number of bytes, written "20M" or "500k", which mean exactly a million and a
// thousand.
type Size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*s = 0
		return nil
	}
	n, err := tally.ParseCount(strings.TrimSpace(string(b)))
	if err != nil {
		return tally.Errorf(tally.Invalid, "%q is not a number of bytes", string(b)).WithHint("like 20M or 500k")
	}
	*s = Size(n)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes it as it is read; "" for nothing.
func (s Size) String() string {
	if s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(s), 10)
}
