package metrics

import (
	"tallygate/engine/tally"
)

// other is the label of what is beyond a bound.
const other = "other"

// Bounds on labels, so that neither many models nor what callers send make what is read
// large.
const (
	maxNamed  = 100  // gateways, providers, models, endpoints, codes: of each kind
	maxSeries = 300  // combinations of gateway, provider, model and endpoint
	maxCached = 4096 // figures that are found at once
)

// names finds labels, and remembers which there are already: a name that has one keeps it.
type names struct {
	catalog   *tally.Catalog // nil before the first
	gateways  labels
	providers labels
	models    labels
	endpoints labels
	codes     labels
	admitted  map[[4]string]struct{}
}

// labels are the labels in use of one kind.
type labels map[string]struct{}

// of is the label for a name, other if there are too many already.
func (l *labels) of(name string) string {
	if _, known := (*l)[name]; known {
		return name
	}
	if *l == nil {
		*l = labels{}
	}
	if len(*l) >= maxNamed {
		return other
	}
	(*l)[name] = struct{}{}
	return name
}

func (n *names) gateway(id tally.ID) string {
	if n.catalog != nil {
		if gw := n.catalog.Gateway(id); gw != nil {
			return n.gateways.of(gw.Slug)
		}
	}
	return other
}

func (n *names) provider(id tally.ID) string {
	if n.catalog != nil {
		if p := n.catalog.Provider(id); p != nil {
			return n.providers.of(p.Name)
		}
	}
	return other
}

// model is the label of a model that the owner has: what callers ask for may be anything.
func (n *names) model(name string) string {
	if n.catalog != nil && len(n.catalog.ModelsNamed(name)) > 0 {
		return n.models.of(name)
	}
	return other
}

func (n *names) endpoint(name string) string { return n.endpoints.of(name) }

func (n *names) code(code string) string { return n.codes.of(code) }

// admit reports whether a combination may have series of its own.
func (n *names) admit(gateway, provider, model, endpoint string) bool {
	of := [4]string{gateway, provider, model, endpoint}
	if _, known := n.admitted[of]; known {
		return true
	}
	if n.admitted == nil {
		n.admitted = map[[4]string]struct{}{}
	}
	if len(n.admitted) >= maxSeries {
		return false
	}
	n.admitted[of] = struct{}{}
	return true
}

// operationOf is what the conventions call what an endpoint does.
func operationOf(endpoint string) string {
	switch endpoint {
	case "chat/completions", "responses", "messages", "api/chat", "api":
		return "chat"
	case "completions":
		return "text_completion"
	}
	return endpoint
}
