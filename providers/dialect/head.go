package dialect

import "strconv"

// CallID is the id of the n-th tool call of an answer, where the upstream has given none.
func (h *Head) CallID(id string, n int) string {
	if id != "" {
		return id
	}
	return "call_" + h.ID + "_" + strconv.Itoa(n)
}

// Names are what a client knows a tool of an answer by.
func (h *Head) Names(name string) (own, namespace string, custom bool) {
	t := h.Request.Tool(name)
	switch {
	case t == nil:
		return name, "", false
	case t.Own == "":
		return t.Name, "", t.Custom
	}
	return t.Own, t.Namespace, t.Custom
}

// Input is the text that a client gets as the arguments of a call.
func (c *Call) Input(custom bool) string {
	if custom && !c.Custom {
		return FreeText(c.Arguments)
	}
	return c.Arguments
}

// Told is the usage that a client is told: what was counted where the upstream has not.
func (b *Bill) Told(u *Usage) *Usage {
	if b.Usage != nil {
		return b.Usage
	}
	return u
}
