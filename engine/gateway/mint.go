package gateway

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

const (
	// mintEndpoint is how records call requests for short-lived tokens.
	mintEndpoint providers.Endpoint = "tokens"
	maxMintBody                     = 8 << 10
	usualChild                      = time.Hour
	// mostMints bounds the short-lived tokens that are made of one token in a minute: more
	// than a busy site has visitors, and less than costs anybody anything.
	mostMints = 600
)

// mints counts the short-lived tokens that were made within the minute under way, by the
// name of the token that they were made of. They are kept nowhere.
type mints struct {
	mu     sync.Mutex // guards the fields that follow
	minute int64      // since 1970
	of     map[string]int
}

// take counts one more; false if there were as many as may be.
func (m *mints) take(name string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if minute := now.Unix() / 60; minute != m.minute || m.of == nil {
		m.minute, m.of = minute, map[string]int{}
	}
	if m.of[name] >= mostMints {
		return false
	}
	m.of[name]++
	return true
}

// mint makes a short-lived token for the server of a site.
func (s *Server) mint(x *exchange) {
	if !x.method(http.MethodPost) {
		return
	}
	x.endpoint = mintEndpoint
	page := pageOf(x.r)
	refusal := x.identify(page)
	if refusal == nil {
		refusal = auth.CheckMint(x.principal, page)
	}
	var o token.ChildOptions
	if refusal == nil {
		o, refusal = x.childOptions()
	}
	if refusal != nil {
		x.refuse(refusal)
		return
	}
	if !s.minted.take(x.principal.Token.Name(), x.at) {
		x.refuse(&tally.Refusal{
			Status: http.StatusTooManyRequests, Type: tally.TypeRate, Code: tally.CodeRate,
			RetryAfter: time.Minute - x.at.Sub(x.at.Truncate(time.Minute)),
			Message:    fmt.Sprintf("%s has made %d short-lived tokens in this minute, the most there are. Keep each for as long as it works.", x.principal.Who(), mostMints),
		})
		return
	}
	credential, t, err := s.Verifier.MintChild(x.cat, x.principal.Gateway, auth.Credential(x.r.Header), o, x.at)
	switch tally.CodeOf(err) {
	case "":
		x.answer(http.StatusOK, struct {
			Token     string    `json:"token"`
			ExpiresAt time.Time `json:"expires_at"`
		}{credential, t.ExpiresAt})
	case tally.Invalid:
		x.refuse(mintRefused("", fmt.Sprintf("%s cannot make that token: %s.", x.principal.Who(), tally.AsError(err).Message)))
	default:
		s.Logger.Error("make a short-lived token", "request", x.id, "err", err)
		x.tell(internalError())
	}
}

func mintRefused(param, message string) *tally.Refusal {
	r := tally.BadRequest(param, message)
	r.Code, r.Final = tally.CodeMintRefused, true
	return r
}

// childOptions reads what a site asks for. A body that is empty asks for an hour.
func (x *exchange) childOptions() (o token.ChildOptions, refusal *tally.Refusal) {
	o.ExpiresIn = usualChild
	if x.r.ContentLength > maxMintBody {
		return o, bodyTooLarge(maxMintBody)
	}
	x.upload = upload{Reader: x.r.Body, w: x.w, began: x.begin, until: x.begin.Add(bodyPatience)}
	if refusal = x.receive(&x.upload, x.r.ContentLength, maxMintBody); refusal != nil || len(x.body) == 0 {
		return o, refusal
	}
	body, err := dialect.Body(x.body)
	if err != nil {
		return o, refusalOf(err)
	}
	return o, once(body, "", func(key string, v wire.Value) *tally.Refusal {
		switch {
		case !v.Said():
		case key == "expires_in":
			n, ok := v.Int()
			if !ok || n < 1 || n > int64(token.LongestChild/time.Second) {
				return mintRefused(key, fmt.Sprintf("expires_in is a whole number of seconds from 1 to %d.", token.LongestChild/time.Second))
			}
			o.ExpiresIn = time.Duration(n) * time.Second
		case key == "visitor":
			return textOf(key, v, &o.Visitor)
		case key == "label":
			return textOf(key, v, &o.Label)
		case key == "templates" && v.Kind() == '[':
			o.Templates = []string{} // one that is empty would allow nothing, and is refused
			for item := range v.Elements() {
				name := ""
				if refusal := textOf(key, item, &name); refusal != nil {
					return refusal
				}
				if x.principal.Gateway.Template(name) == nil {
					return mintRefused(key, fmt.Sprintf("The gateway has no template %.60q.", name))
				}
				o.Templates = append(o.Templates, name)
			}
		case key == "limits" && v.Kind() == '{':
			return limitsOf(v, &o)
		default:
			return mintRefused(key, fmt.Sprintf("The field %.60q is not known here, or is of another kind. There are expires_in, templates, limits, visitor and label.", key))
		}
		return nil
	})
}

// limitsOf reads limits as owners write them: "20/day", or a number for as long as there
// are such tokens.
func limitsOf(v wire.Value, o *token.ChildOptions) *tally.Refusal {
	into := map[string]*string{"requests": &o.Requests, "ip_quota": &o.IPQuota, "cost": &o.Cost, "quota": &o.Quota}
	return once(v, "limits.", func(key string, v wire.Value) *tally.Refusal {
		switch {
		case into[key] == nil:
			return mintRefused("limits."+key, fmt.Sprintf("There is no limit %.60q. There are requests, ip_quota, cost and quota.", key))
		case v.Kind() == '0':
			*into[key] = string(v)
			return nil
		case v.Kind() == '"' && v.Text() == "":
			return mintRefused("limits."+key, fmt.Sprintf("The limit %q is empty.", key))
		}
		return textOf("limits."+key, v, into[key])
	})
}
