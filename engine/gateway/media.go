package gateway

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// Moderations, images and sound are passed on as they come. What they cost is bounded
// before they are sent: by the piece where the model has a price of that, else by tokens.

// The bounds on tokens of what has no maximum to send. Each is more than any model known
// makes; what an upstream tells takes their place.
const (
	soundTokens    = 40   // of a second of sound that goes in
	writtenTokens  = 25   // of a second that is written down
	writtenMore    = 2048 // of one that goes on and on
	spokenTokens   = 6    // of a character that is spoken: four of them a second, at 21 tokens
	spokenMore     = 256
	partialTokens  = 200      // of a picture before it is ready
	pixelsAToken   = 128      // of a picture of high quality; known are 252
	unstatedPixels = 2 << 20  // of a picture whose size is left to the upstream: it has twice as many at the rate that is known
	unknownPixels  = 16 << 20 // of one whose size is said in words that nobody knows
)

// mediaModes are the modes of the models that endpoints are for, as the price book calls
// them.
var mediaModes = map[providers.Endpoint]string{
	providers.Moderations: "moderation", providers.Images: "image_generation", providers.ImageEdits: "image_generation",
	providers.Speech: "audio_speech",
	providers.Rerank: "rerank", providers.Transcriptions: "audio_transcription",
	providers.Translations: "audio_transcription",
}

// mediaAt is the endpoint of a path below /v1/, "" if it is none of these.
func mediaAt(path string) providers.Endpoint {
	e := providers.Endpoint(strings.TrimPrefix(path, "/v1/"))
	if !e.IsMedia() || string(e) == path {
		return ""
	}
	return e
}

// peekMedia looks at the body of such a request.
func (x *exchange) peekMedia() *tally.Refusal {
	m := new(providers.Media)
	if err := m.Peek(x.endpoint, x.r.Header.Get("Content-Type"), x.body); err != nil {
		return tally.BadRequest("", "The request cannot be read: "+tally.AsError(err).Message+".")
	}
	if len(m.Model) > maxName || tally.Unprintable(m.Model) {
		return tally.BadRequest("model", "The model's name is too long, or contains a control character.")
	}
	x.media, x.envelope = m, providers.Envelope{Dialect: dialect.Chat, Extras: x.envelope.Extras[:0], Session: m.Session}
	x.own = form{envelope: &x.envelope, length: len(x.body), own: true}
	x.model = cmp.Or(x.deployment, m.Model)
	return nil
}

// admitMedia is admit for such a request.
func (x *exchange) admitMedia() (refusal *tally.Refusal) {
	m := x.media
	if x.principal.Visitor && m.Unknown != "" {
		return tally.BadRequest(m.Unknown, fmt.Sprintf("The field %q is not one that visitors of a page may send.",
			m.Unknown))
	}
	name := x.model
	if name == "" {
		name = x.usualModel()
	}
	if x.targets, refusal = x.server.Router.Plan(x.cat, x.principal, name, x.at); refusal != nil {
		if refusal.Code == tally.CodeModelUnpriced {
			refusal.Message = x.unpricedMedia(name)
		}
		return refusal
	}
	if refusal = x.pinned(); refusal != nil {
		return refusal
	}
	money, tokens := x.server.Meter.Limited(x.cat, x.principal)
	if bound := x.trial.Most > 0; m.Billed != "" && (money || tokens || bound || x.principal.Visitor) {
		x.targets = slices.DeleteFunc(x.targets, func(t route.Target) bool { return bound || !t.Model.AllowExtras })
		if len(x.targets) == 0 {
			return extraRefused(m.Billed, fmt.Sprintf("%q changes what the provider bills, and nobody knows how, so a limit on money or tokens could not be kept. Leave it out.", m.Billed))
		}
	}
	x.targets = slices.DeleteFunc(x.targets, func(t route.Target) bool { return !x.pricesMedia(t.Model) })
	if len(x.targets) == 0 {
		return &tally.Refusal{
			Status: http.StatusForbidden, Type: tally.TypePermission, Code: tally.CodeModelUnpriced, Param: "model",
			Message: x.unpricedMedia(name),
		}
	}
	r := meter.Request{
		ID: x.id, At: x.at, Catalog: x.cat, Principal: x.principal,
		Endpoint: x.endpointName(), Model: cmp.Or(name, x.targets[0].Model.Name), Stream: m.Events, Trace: x.trace(), Session: x.session(), Tags: x.tags(),
		Units: m.Units, Choices: 1, Since: x.since, Deadline: x.deadline, Waited: x.waited, Waiting: x.waiting,
	}
	for _, t := range x.targets {
		if m.Units.Piece == tally.SoundSecond {
			r.Units.Count = max(r.Units.Count, t.Upstream.Kind.LeastSeconds)
		}
	}
	for _, t := range x.targets {
		input, output := x.mediaTokens(t.Model, r.Units.Count)
		r.InputTokens, r.Output = max(r.InputTokens, input), max(r.Output, output)
	}
	switch r.Least = r.Output; m.Endpoint { // no maximum is sent, so all of it must fit
	case providers.Images, providers.ImageEdits:
		r.Answer = tally.SetOf(tally.ClassImageOutput)
		if m.Pictures > 0 {
			r.Prompt, r.ImageTokens = tally.SetOf(tally.ClassImageInput), r.InputTokens
		}
	case providers.Speech:
		r.Answer = tally.SetOf(tally.ClassAudioOutput)
	case providers.Transcriptions, providers.Translations:
		r.Prompt, r.AudioTokens = tally.SetOf(tally.ClassAudioInput), r.InputTokens
	}
	r.Rates, r.UnitsCost = x.dearest(r.InputTokens, &r.Units)
	x.asked = r
	if refusal = x.affordable(); refusal != nil {
		return refusal
	}
	x.ticket, refusal = x.server.Meter.Admit(x.ctx, &x.asked)
	x.deadline = x.asked.Deadline
	return refusal
}

// usualModel is the model of a request that names none: the first of those that it may use
// that is for what it wants.
func (x *exchange) usualModel() string {
	for _, name := range x.server.Router.Usable(x.cat, x.principal, x.at) {
		for _, m := range x.cat.ModelsNamed(name) {
			if m.Enabled && m.Mode == mediaModes[x.endpoint] {
				return name
			}
		}
	}
	return ""
}

// pricesMedia reports whether a model has a price for what is asked, or needs none by the
// owner's policy.
func (x *exchange) pricesMedia(m *tally.Model) bool {
	q := tally.QuoteAt(m.Prices, x.at, "", 0)
	if q.Row == nil || q.Row.PricesTokens() {
		return true
	}
	_, _, ok := q.EachOf(&x.media.Units)
	return ok && (x.media.Pictures == 0 || q.Row.Pieces["image_in"] == 0) // which is not metered
}

// unpricedMedia says that a model has no price for what is asked, and how it gets one.
func (x *exchange) unpricedMedia(name string) string {
	u := &x.media.Units
	what, flags := "these", "--price input=USD" // of moderations, which may be 0
	switch u.Piece {
	case tally.Image:
		piece := string(tally.Image)
		for _, part := range [...]string{u.Quality, u.Size} {
			if part != "" && !strings.ContainsAny(part, " \t=") && len(part) < 20 {
				piece += "_" + part
			}
		}
		what, flags = "such an image", "--price "+piece+"=USD"
	case tally.Query:
		what, flags = "a ranking", "--price query=USD"
	case tally.Character:
		what, flags = "text that is spoken", "--price character=USD"
	case tally.SoundSecond:
		what, flags = "sound that is written down", "--price second=USD"
	}
	return fmt.Sprintf("Model %q has no price for %s, so it cannot be kept within a budget. The owner can set one, which may be 0: tallygate models update %s %s", name, what, tally.ShellWord(name), flags)
}

// mediaTokens is the most tokens that a request comes to with a model; none if the model
// has no price of tokens.
func (x *exchange) mediaTokens(of *tally.Model, seconds int64) (input, output int64) {
	q := tally.QuoteAt(of.Prices, x.at, "", 0)
	if q.Row == nil || !q.Row.PricesTokens() {
		return 0, 0
	}
	m := x.media
	input = m.Text + formatTokens
	switch m.Endpoint {
	case providers.Moderations:
		if bytes.Contains(m.Raw, []byte("image")) { // a picture may lie elsewhere
			input += cmp.Or(of.ContextTokens, meter.UnknownContext)
		}
	case providers.Rerank:
		input += m.Query * m.Documents
	case providers.Images, providers.ImageEdits:
		input += m.Pictures * cmp.Or(of.ImageTokens, unknownImage)
		output = m.Units.Count * (imageTokens(of, &m.Units) + partialTokens*m.Partial)
	case providers.Speech:
		output = spokenTokens*m.Units.Count + spokenMore
	default:
		input += soundTokens * seconds
		output = writtenTokens*seconds + writtenMore
	}
	return input, output
}

// imageTokens is the most output that one image comes to: what the owner or the price book
// says of the model, or what the area takes. A picture of medium quality takes a quarter of
// one of high quality, and one of low quality a quarter of that, and less.
func imageTokens(of *tally.Model, u *tally.Units) int64 {
	if of.MaxOutputTokens > 0 {
		return of.MaxOutputTokens
	}
	per := int64(pixelsAToken)
	switch u.Quality {
	case "medium":
		per *= 4
	case "low":
		per *= 16
	}
	pixels := tally.Pixels(u.Size)
	switch {
	case u.Size == "":
		pixels = unstatedPixels
	case pixels == 0:
		pixels = unknownPixels
	}
	return pixels/per + 1
}

// bookMedia books an answer to such a request: by the tokens that the upstream tells and the
// pieces that it tells or that were asked for. Where a model is priced by tokens and none
// are told, what was held is booked.
func (x *exchange) bookMedia(a *tally.Attempt, said *providers.Report) {
	m := x.media
	q := tally.QuoteAt(x.target.Model.Prices, x.at, "", 0)
	_, _, byPiece := q.EachOf(&m.Units)
	told := said.Known > providers.KnownZero
	if !told && !byPiece && m.Endpoint != providers.Moderations && q.Row != nil && !said.IsBilled && x.costsTokens(&q) {
		x.bookHeld(a, said, true)
		return
	}
	a.Basis = tally.Exact
	if m.Units.Piece == tally.SoundSecond && byPiece && !said.Counted {
		if a.Basis = tally.Estimated; !m.Known {
			a.Basis = tally.Held
		}
	}
	used, now := said.Tokens, *said
	switch {
	case !told && m.Endpoint == providers.Moderations:
		a.Basis, used.Input = tally.Estimated, (m.Text+3)/4
	case m.Endpoint.Draws() && said.Split&tally.SetOf(tally.ClassImageOutput) == 0:
		used.ImageOutput, used.Output = used.ImageOutput+used.Output, 0
		now.Split |= tally.SetOf(tally.ClassImageOutput)
	case m.Endpoint == providers.Speech && said.Split&tally.SetOf(tally.ClassAudioOutput) == 0:
		used.AudioOutput, used.Output = used.AudioOutput+used.Output, 0
		now.Split |= tally.SetOf(tally.ClassAudioOutput)
	}
	now.Pieces, now.Counted = x.units(said).Count, true
	switch {
	case told && byPiece && q.Row.ImageOutput != nil:
		now.Pieces = 0 // the price of an image is that of its tokens, for who does not tell them
	case !said.Counted:
		now.Pieces = x.asked.Units.Count
	case m.Units.Piece == tally.SoundSecond:
		now.Pieces = max(now.Pieces, x.target.Upstream.Kind.LeastSeconds)
	}
	x.price(a, &now, used)
}

// costsTokens reports whether a token of what is asked costs anything.
func (x *exchange) costsTokens(q *tally.Quote) bool {
	return q.Dearest(tally.PromptClasses|tally.AnswerClasses|x.asked.Prompt|x.asked.Answer) > 0
}

// pricedInTokens leaves out the upstreams whose model has a price by the piece alone, for a
// request that is billed by tokens.
func (x *exchange) pricedInTokens() *tally.Refusal {
	first := x.targets[0].Model
	x.targets = slices.DeleteFunc(x.targets, func(t route.Target) bool {
		q := tally.QuoteAt(t.Model.Prices, x.at, "", 0)
		return q.Row != nil && !q.Row.PricesTokens()
	})
	if len(x.targets) > 0 {
		return nil
	}
	return &tally.Refusal{Status: http.StatusForbidden, Type: tally.TypePermission, Code: tally.CodeModelUnpriced, Param: "model",
		Message: fmt.Sprintf("Model %q has a price by the piece and none for tokens: it is for images or sound, and no conversations.", first.Name)}
}
