package keys

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// newKeyForm asks for a new key of a client and shows it once.
func NewForm(e *screen.Env, client string) screen.Dialog {
	return dialog.NewForm(e, dialog.FormOf[control.CreateKey, control.KeyCreated]{
		Heading: "New key for " + widget.Safe(client), Op: control.KeysCreate, Save: "Create the key",
		Asks: []string{"label", "expires", "limits"}, Fixed: control.CreateKey{Client: client},
		Help: map[string]string{"label": "what it is for: whatsapp-bot, n8n-prod", "limits": "on top of the client's: requests=10/minute cost=5/total"},
		Done: func(k control.KeyCreated) tea.Cmd { return screen.Ask(screen.Open{Dialog: ShownOnce(e, k)}) },
	})
}

// shownKey is the dialog of a key that was just made.
func ShownOnce(e *screen.Env, k control.KeyCreated) screen.Dialog {
	s := &dialog.Shown{
		Heading: "Key " + widget.Safe(k.Label) + " of " + widget.Safe(k.Client), Secret: k.Key, Save: dialog.Saver(e),
		Says: []string{"This is the only time that the key is shown: tallygate keeps its digest only."},
	}
	if !k.OldUntil.IsZero() {
		s.Says = append(s.Says, "The key before it works until "+k.OldUntil.In(e.Zone).Format("2 Jan 15:04")+".")
	}
	if snap := e.Source.Snapshot(); snap.Status.BaseURL != "" {
		if model, ok := ModelFor(snap, k.Client); ok {
			s.Curl = Curl(snap.Status.BaseURL, k.Key, model)
		}
	}
	return s
}

// ModelFor is a model that a client may ask for: "" where its gateway has one
// for requests that name none. ok is false if there is no model to use.
func ModelFor(snap *live.Snapshot, client string) (model string, ok bool) {
	var allowed []string
	for _, c := range snap.Clients {
		if c.Slug != client {
			continue
		}
		allowed = c.Models
		for _, g := range snap.Gateways {
			if g.ID != c.Gateway {
				continue
			}
			if g.DefaultModel != "" && (len(allowed) == 0 || slices.Contains(allowed, g.DefaultModel)) {
				return "", true
			}
			if len(allowed) == 0 {
				allowed = g.Models
			}
		}
	}
	for i := range snap.Models {
		m := &snap.Models[i]
		chats := m.Mode == "" || m.Mode == "chat"
		if m.Model.Enabled && m.Priced && chats && (len(allowed) == 0 || slices.Contains(allowed, m.Name)) {
			return m.Name, true
		}
	}
	return "", false
}

// Curl is a command that works as it is when it is pasted into a shell, in lines
// that a narrow terminal does not break.
func Curl(baseURL, key, model string) string {
	body, _ := json.Marshal(struct { // texts cannot fail
		Model    string              `json:"model,omitempty"`
		Messages []map[string]string `json:"messages"`
	}{model, []map[string]string{{"role": "user", "content": "hi"}}})
	return fmt.Sprintf("curl %s/chat/completions \\\n  -H 'Authorization: Bearer %s' \\\n  -H 'Content-Type: application/json' \\\n  -d '%s'", strings.TrimRight(baseURL, "/"), key, strings.ReplaceAll(string(body), "'", `'\''`))
}
