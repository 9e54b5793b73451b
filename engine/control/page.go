package control

import (
	"html"
	"strings"
)

// shortToken stands for a token that is not at hand: tokens are kept nowhere.
const shortToken = "wlm-…"

// siteOf is the address that pages load the client from.
func siteOf(address string) string { return strings.TrimSuffix(strings.TrimRight(address, "/"), "/v1") }

// PageWith is a page that uses an access token, "" if it is not at hand, of the gateway at
// an address, ready to be tried. With a locked one no extension of a visitor's is asked,
// which would know nothing of its template.
func PageWith(address, token string, locked bool) string {
	if token == "" {
		token = shortToken
	}
	only := ""
	if locked {
		only = ", prefer: 'none'"
	}
	return `<p id="answer">…</p>
<script type="module">
  import { WebLLMClient } from '` + siteOf(address) + `/sdk/webllm.js'
  const ai = new WebLLMClient({ gatewayToken: '` + token + `'` + only + ` })
  const show = (text) => { document.querySelector('#answer').textContent = text }
  ai.generateText({ prompt: 'Say hello to my visitors.' }).then(({ text }) => show(text), (error) => show(error.visitorMessage))
</script>
`
}

// WidgetLine is the line that puts the chat into a page. With a token that makes others the
// page asks its own server for one.
func WidgetLine(address, token, title string, mints bool) string {
	with := `data-token="` + html.EscapeString(token) + `"`
	switch {
	case mints:
		with = `data-token-url="/chat-token"`
	case token == "":
		with = `data-token="` + shortToken + `"`
	}
	return `<script async src="` + html.EscapeString(siteOf(address)) + `/sdk/widget.js" ` + with +
		` data-title="` + html.EscapeString(title) + `"></script>`
}
