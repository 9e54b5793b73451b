package tally

import "strings"

// Template is what a gateway puts around the words of a page's visitor: the page names it
// and never sees it. Locked access tokens are bound to templates by their names.
type Template struct {
	Name        string `json:"name"`                  // see [IsTemplateName]; unique in its gateway
	System      string `json:"system"`                // what the model is told before the visitor's words
	Model       string `json:"model,omitempty"`       // "": the gateway's default
	MaxOutput   int64  `json:"max_output,omitempty"`  // output tokens of one answer; 0: as the token and the settings say
	Temperature string `json:"temperature,omitempty"` // decimal, 0 to 2; "": the model's own
}

// Bounds on templates, and on what a page may send with a locked token.
const (
	MaxTemplates      = 100       // of a gateway
	MaxTemplateBytes  = 64 << 10  // of a system text
	MaxTemplatesBytes = 256 << 10 // of all of a gateway: each change is written down whole
	MaxLockedTurns    = 40        // of a conversation
	MaxLockedBytes    = 32 << 10  // of all their words
)

// TemplatePrefix is what stands before a template's name where a page names a model.
const TemplatePrefix = "template/"

// IsTemplateName reports whether a text can name a template: 1 to 40 of a-z, 0-9 and -, with
// a letter or a digit at both ends.
func IsTemplateName(s string) bool {
	const word = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= 40 && strings.Trim(s, word+"-") == "" && s[0] != '-' && s[len(s)-1] != '-'
}

// Template returns the template of a name, nil if there is none.
func (g *Gateway) Template(name string) *Template {
	for i := range g.Templates {
		if g.Templates[i].Name == name {
			return &g.Templates[i]
		}
	}
	return nil
}
