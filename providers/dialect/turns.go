package dialect

import "strings"

// Begin begins a turn.
func (r *Request) Begin(role Role) *Turn {
	r.Turns = append(r.Turns, Turn{Role: role})
	return &r.Turns[len(r.Turns)-1]
}

// Add adds a part to the last turn, or to a new one if that is of another role.
func (r *Request) Add(role Role, p Part) {
	if n := len(r.Turns); n == 0 || r.Turns[n-1].Role != role {
		r.Begin(role)
	}
	last := &r.Turns[len(r.Turns)-1]
	last.Parts = append(last.Parts, p)
}

// AddResult adds what a tool answered to the user's turn: results of calls that were made
// together stand together.
func (r *Request) AddResult(result *Result) {
	p := Part{Kind: ResultPart, Result: result}
	if n := len(r.Turns); n > 0 {
		if t := &r.Turns[n-1]; t.Role == User && len(t.Parts) > 0 && t.Parts[len(t.Parts)-1].Kind == ResultPart {
			t.Parts = append(t.Parts, p)
			return
		}
	}
	r.Begin(User).Parts = []Part{p}
}

// JoinText is the text of the parts that are text, with something between them. Empty
// parts say nothing.
func JoinText(parts []Part, between string) string {
	var b strings.Builder
	for i := range parts {
		p := &parts[i]
		if p.Kind != TextPart || p.Text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(between)
		}
		b.WriteString(p.Text)
	}
	return b.String()
}
