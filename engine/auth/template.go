package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tallygate/engine/tally"
)

// TemplateOf finds the template that a page with a locked token asks for, of which one may
// stand where a model is named, and need not if the token has only one.
func TemplateOf(p *tally.Principal, asked string) (*tally.Template, *tally.Refusal) {
	t := p.Token
	name, named := strings.CutPrefix(asked, tally.TemplatePrefix)
	names := tally.TemplatePrefix + strings.Join(t.Templates, ", "+tally.TemplatePrefix)
	switch {
	case asked == "" && len(t.Templates) == 1:
		name = t.Templates[0]
	case asked == "":
		return nil, noTemplate(http.StatusBadRequest, fmt.Sprintf("This access token has several templates: name one of %s as the model.", names))
	case !named:
		return nil, NotLocked("model", fmt.Sprintf("This access token is locked: its templates say which model answers. Leave the model out, or name one of %s.", names))
	case !slices.Contains(t.Templates, name):
		return nil, NotLocked("model", fmt.Sprintf("This access token is not for the template %.60q. It is for %s.", name, names))
	}
	found := p.Gateway.Template(name)
	if found == nil {
		return nil, noTemplate(http.StatusNotFound, fmt.Sprintf("The gateway has no template %q any more. Its owner can make it again: tallygate templates set %s", name, name))
	}
	return found, nil
}

func noTemplate(status int, message string) *tally.Refusal {
	return &tally.Refusal{Status: status, Type: tally.TypeInvalid, Code: tally.CodeTemplate, Param: "model", Final: true, Message: message}
}

// NotLocked refuses what a page with a locked token may not send.
func NotLocked(param, message string) *tally.Refusal {
	r := tally.BadRequest(param, message)
	r.Code, r.Final = tally.CodeTokenLocked, true
	return r
}
