package capture

import (
	"bytes"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// Head is an exchange in short: a request and its answer.
type Head struct {
	ID     tally.ID      `json:"id"`               // of the request
	Record tally.ID      `json:"record,omitempty"` // that counts it, if that is of another one: refusals are counted together
	Key    tally.ID      `json:"key"`
	Client tally.ID      `json:"client"`
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"` // until its answer was given

	Method   string `json:"method"`
	Path     string `json:"path"` // without the query
	Endpoint string `json:"endpoint,omitempty"`
	Model    string `json:"model,omitempty"`
	Stream   bool   `json:"stream,omitempty"`
	Status   int    `json:"status"` // 0: the caller left before there was one

	// What has passed in all, in bytes, and whether less of it is kept.
	RequestBytes int64 `json:"request_bytes"`
	AnswerBytes  int64 `json:"answer_bytes"`
	RequestCut   bool  `json:"request_cut,omitempty"`
	AnswerCut    bool  `json:"answer_cut,omitempty"`
	// Redacted is whether the request had secrets in it, which are not kept.
	Redacted bool `json:"redacted,omitempty"`
}

// Exchange is a request and its answer as they passed, without secrets.
type Exchange struct {
	Head
	RequestHeader map[string][]string `json:"request_header,omitempty"`
	AnswerHeader  map[string][]string `json:"answer_header,omitempty"`
	Request       []byte              `json:"request,omitempty"`
	Answer        []byte              `json:"answer,omitempty"`
}

// redact removes all that looks like a secret.
func (x *Exchange) redact() {
	x.Path, x.Model = auth.Redact(x.Path), auth.Redact(x.Model)
	x.RequestHeader, x.AnswerHeader = withoutSecrets(x.RequestHeader), withoutSecrets(x.AnswerHeader)
	asked := auth.RedactBody(whole(x.Request, x.RequestCut))
	x.Redacted = !x.RequestCut && !bytes.Equal(asked, x.Request)
	x.Request, x.Answer = asked, auth.RedactBody(whole(x.Answer, x.AnswerCut))
}

func withoutSecrets(h map[string][]string) map[string][]string {
	out := map[string][]string{}
	for name, values := range h {
		for _, v := range values {
			if v, ok := auth.RedactHeader(name, v); ok {
				out[name] = append(out[name], v)
			}
		}
	}
	return out
}

// whole leaves out the word that a body was cut in: it may be the beginning of a key, which
// nothing would tell.
func whole(b []byte, cut bool) []byte {
	for cut && len(b) > 0 {
		switch c := b[len(b)-1]; {
		case c == ' ', c == '\n', c == '\t', c == '"', c == ',', c == '}', c == ']':
			return b
		}
		b = b[:len(b)-1]
	}
	return b
}

// size is about what an exchange takes in memory, in bytes.
func (x *Exchange) size() int64 {
	n := 1000 + len(x.Request) + len(x.Answer)
	for _, h := range [...]map[string][]string{x.RequestHeader, x.AnswerHeader} {
		for name, values := range h {
			n += len(name) + 64
			for _, v := range values {
				n += len(v) + 16
			}
		}
	}
	return int64(n)
}
