package gateway

import (
	"net/http"
	"strings"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// respond answers the path of responses. Codex asks for a WebSocket first: at 426 it
// falls back at once, at 404 only after seven attempts.
func (s *Server) respond(x *exchange) {
	if x.r.Method == http.MethodGet && strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket") {
		x.w.Header()["Upgrade"] = []string{"HTTP/1.1"}
		x.tell(&tally.Refusal{Status: http.StatusUpgradeRequired, Type: tally.TypeInvalid, Code: tally.CodeMethod,
			Message: "This gateway streams over HTTP, not over a WebSocket: POST /v1/responses."})
		return
	}
	s.post(x, providers.Chat)
}

// deployed answers a path as Azure has it, /openai/deployments/MODEL/…, which names the
// model in place of the body. It reports whether the path is one.
func (s *Server) deployed(x *exchange, path string) bool {
	rest, ok := strings.CutPrefix(path, "/openai/deployments/")
	if !ok {
		return false
	}
	for _, e := range append([]providers.Endpoint{
		providers.Chat, providers.Completions, providers.Embeddings,
	}, providers.MediaEndpoints[:]...) {
		if model, ok := strings.CutSuffix(rest, "/"+string(e)); ok && model != "" && len(model) <= maxName &&
			!tally.Unprintable(model) {
			x.deployment = model
			s.post(x, e)
			return true
		}
	}
	return false
}

// count answers how many tokens the prompt of a request has: an estimate, which costs
// nothing and is not sent to any upstream.
func (s *Server) count(x *exchange) {
	if !x.method(http.MethodPost) {
		return
	}
	x.endpoint = providers.Chat
	refusal := x.authenticate()
	for _, step := range [...]func() *tally.Refusal{x.comeIn, x.countable, x.read, x.plan} {
		if refusal == nil {
			refusal = step()
		}
	}
	if refusal != nil {
		x.tell(refusal)
		return
	}
	x.target = x.targets[0]
	x.form, x.asked.InputTokens = &x.own, x.own.inputBound(x.target.Model)
	x.send(http.StatusOK, x.speech.(translated).AppendCount(nil, x.inputEstimate()))
}

// countable refuses to count what a template adds to a visitor's words.
func (x *exchange) countable() *tally.Refusal {
	if x.locked() == nil {
		return nil
	}
	return notLocked("", "This access token is locked to templates of its gateway, of which pages are told nothing: their tokens are not counted.")
}

// plan finds the upstreams that may answer.
func (x *exchange) plan() (refusal *tally.Refusal) {
	x.targets, refusal = x.server.Router.Plan(x.cat, x.principal, x.model, x.at)
	return refusal
}

// models are what this credential may ask for: models that are enabled, can be paid for
// and have a live provider, and the aliases that lead to them; with a locked token its
// templates.
func (x *exchange) models() (list []dialect.Model) {
	if t := x.locked(); t != nil {
		for _, name := range t.Templates {
			if m, refusal := x.listed(tally.TemplatePrefix + name); refusal == nil {
				list = append(list, m)
			}
		}
		return list
	}
	for _, name := range x.server.Router.Usable(x.cat, x.principal, x.at) {
		if m, refusal := x.listed(name); refusal == nil {
			list = append(list, m)
		}
	}
	return list
}

func (x *exchange) listed(name string) (dialect.Model, *tally.Refusal) {
	if x.locked() != nil { // a page knows of templates, and of no models
		found, refusal := auth.TemplateOf(x.principal, name)
		if refusal != nil {
			return dialect.Model{}, refusal
		}
		if _, refusal = x.server.Router.Plan(x.cat, x.principal, found.Model, x.at); refusal != nil {
			return dialect.Model{}, refusal
		}
		gw := x.principal.Gateway
		return dialect.Model{ID: name, Created: gw.CreatedAt.Unix(), Owner: gw.Name}, nil
	}
	targets, refusal := x.server.Router.Plan(x.cat, x.principal, name, x.at)
	if refusal != nil {
		return dialect.Model{}, refusal
	}
	first := targets[0]
	return dialect.Model{ID: name, Created: first.Model.CreatedAt.Unix(), Owner: first.Upstream.Config.Name}, nil
}

// lister is the dialect that a list of models is written in.
func (x *exchange) lister() dialect.Dialect {
	if t, ok := x.speech.(translated); ok {
		return t
	}
	return inResponses // as both of OpenAI's have it
}

// listModels lists the models.
func (x *exchange) listModels() { x.send(http.StatusOK, x.lister().AppendModels(nil, x.models())) }

// showModel tells of one model, whose name may contain slashes.
func (x *exchange) showModel(name string) {
	m, refusal := x.listed(name)
	if refusal != nil {
		x.tell(refusal)
		return
	}
	x.send(http.StatusOK, x.lister().AppendModel(nil, &m))
}

// listTags lists the models as Ollama does.
func (x *exchange) listTags() { x.send(http.StatusOK, inOllama.AppendModels(nil, x.models())) }

// daemonVersion is what clients of Ollama look for: a version that has tools.
func (x *exchange) daemonVersion() { x.answer(http.StatusOK, map[string]string{"version": "0.13.0"}) }
