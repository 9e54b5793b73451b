package providers

import "tallygate/engine/tally"

// Known says how much of a call's tokens an upstream has told believably.
type Known uint8

// What is known.
const (
	// KnownNothing: there is no report, or none that can be believed.
	KnownNothing Known = iota
	// KnownZero: the upstream says that nothing was used, and nothing was
	// delivered. The call cost nothing, unless it is billed by other things.
	KnownZero
	// KnownInput: the prompt is known. The output is missing, though some was delivered.
	KnownInput
	// KnownOutput: the output is known. The prompt, which cannot be empty, is missing.
	KnownOutput
	// KnownTotal: only the sum of prompt and output is known. Tokens adds up to that sum,
	// split by what was delivered.
	KnownTotal
	// KnownWhole: both prompt and output are known.
	KnownWhole
)

// Finish says how the choices of an answer have ended so far: all choices that were asked
// for.
type Finish uint8

// The ways to end.
const (
	Unfinished Finish = iota
	Finished
	// FinishedLength: at least one choice came to the bound of its output.
	FinishedLength
)

// Report is what an upstream says of a call: of its tokens, of its own bill, and
// of who has answered.
type Report struct {
	// Tokens are in disjoint classes. A side that is missing is 0.
	Tokens tally.Tokens
	Known  Known
	// Split are the classes that the upstream tells apart, also where it says that there
	// were no tokens of a class. Tokens of any other class are among the plain ones.
	Split tally.Classes
	// Pieces counts what the call is billed for by the piece: searches of the web, sources
	// or results, whichever the upstream counts; images; seconds of sound. It counts only if
	// Counted is true; most upstreams tell nothing of them.
	Pieces  int64
	Counted bool
	// Quality and Size are those of images as the answer tells them, in the words of
	// [tally.Units]; "" if it does not.
	Quality, Size string
	// Billed is what the upstream says it charges for the call, rounded up to a
	// nano-dollar. It counts only if IsBilled is true.
	Billed   tally.NanoUSD
	IsBilled bool
	// Model is the model that the upstream says has answered. Tier is the way the upstream
	// says the request was served. Each is "" if the upstream does not say.
	Model, Tier string
	Finish      Finish
	// Failed is the failure that an answer in one piece tells of beside what it holds; nil
	// if it tells of none. A stream ends with an error instead.
	Failed *UpstreamError
}

// Exact reports whether Tokens need no estimate.
func (r *Report) Exact() bool { return r.Known == KnownWhole || r.Known == KnownZero }

// Missing says which sides of Tokens are to be estimated.
func (r *Report) Missing() (input, output bool) {
	return r.Known == KnownNothing || r.Known == KnownOutput, r.Known == KnownNothing || r.Known == KnownInput
}

// notes are what the answer of one call has said of itself so far.
type notes struct {
	figures
	model, tier string
	finish      Finish
	endings     endings
}

// report takes notice of a usage object. A usage object that is not believed says nothing.
func (f *facts) report(b []byte, place int, at span) {
	if at.present() {
		f.usage[place], f.believed[place] = at, f.figures.read(b, at)
	}
}

// count adds what a piece of an answer tells of its usage; shown is whether the
// usage object that clients read is believed.
func (f *facts) count(b []byte, to *figures) (shown bool) {
	if f.bill {
		f.figures.walk(b, space(b, 0), inAnswer) // amounts alone: it cannot fail
	}
	to.fold(&f.figures)
	if f.usage[besideChoices].present() {
		return f.believed[besideChoices]
	}
	return f.believed[inChoice]
}

// ReportOf is what the body of a refusal says was used; nil if it says nothing of that. An
// upstream that tells only its bill tells of no tokens.
func ReportOf(refusal []byte) *Report {
	var f facts
	if i := inspect(refusal, space(refusal, 0), &f); i < 0 || space(refusal, i) < len(refusal) {
		return nil
	}
	var n notes
	f.count(refusal, &n.figures)
	n.name(refusal, &f)
	r := n.report(0, false)
	if r.Known <= KnownZero && r.Billed == 0 && r.Pieces == 0 {
		return nil
	}
	r.Known = max(r.Known, KnownZero)
	return &r
}

// name notes who has answered, and how the answer has ended.
func (n *notes) name(b []byte, f *facts) {
	if f.model.present() {
		keepName(&n.model, f.model.of(b))
	}
	if f.tier.present() {
		keepName(&n.tier, f.tier.of(b))
	}
	if n.finish = max(n.finish, f.finish); n.endings.asked > 1 {
		n.finish = n.endings.finish()
	}
}

// maxName bounds the names that are kept.
const maxName = 256

// keepName keeps a quoted name. The same name again, which is the rule in a
// stream, costs nothing.
func keepName(to *string, quoted []byte) {
	if inner := quoted[1 : len(quoted)-1]; len(inner) == 0 || len(inner) > maxName || string(inner) == *to {
		return
	}
	if name, ok := unquote(quoted); ok {
		*to = name
	}
}

// report sums up. delivered is the output that came, an estimate in tokens; data
// is whether there was output of another kind.
func (n *notes) report(delivered int64, data bool) Report {
	r := Report{Pieces: n.n[figSearches], Counted: n.has(figSearches), Model: n.model, Tier: n.tier, Finish: n.finish}
	r.Tokens, r.Known = n.tokens(delivered)
	if r.Known == KnownZero && data {
		r.Known = KnownNothing
	}
	if r.Known > KnownZero {
		r.Split = n.split(&r.Tokens)
	}
	r.Billed, r.IsBilled = n.bill()
	return r
}

// split says which classes were told apart, of those that a request must ask for, and
// whether what was written to a cache was told apart. If five minutes' writes are all of
// the writes, none was for longer. Parts that are more than their whole tell nothing.
func (f *figures) split(t *tally.Tokens) (told tally.Classes) {
	for _, of := range [...]struct {
		class tally.Class
		by    figure
	}{{tally.ClassAudioInput, figAudioIn}, {tally.ClassImageInput, figImageIn}, {tally.ClassAudioOutput, figAudioOut}, {tally.ClassImageOutput, figImageOut},
		{tally.ClassCacheWrite, figWritten}, {tally.ClassCacheWrite, figWrittenByPrefix}, {tally.ClassCacheWrite, figWrittenShort}, {tally.ClassCacheWrite, figWrittenLong},
		{tally.ClassCacheWriteLong, figWrittenLong}} {
		if f.has(of.by) {
			told |= tally.SetOf(of.class)
		}
	}
	if f.has(figWrittenShort) && f.n[figWrittenShort] >= max(f.n[figWritten], f.n[figWrittenByPrefix]) {
		told |= tally.SetOf(tally.ClassCacheWriteLong)
	}
	if f.n[figAudioIn]+f.n[figImageIn] > t.Prompt() {
		told &^= tally.SetOf(tally.ClassAudioInput, tally.ClassImageInput)
	}
	if f.n[figAudioOut]+f.n[figImageOut] > t.Completion() {
		told &^= tally.SetOf(tally.ClassAudioOutput, tally.ClassImageOutput)
	}
	return told
}

// bill is what the upstream charges. With the owner's own key, the cost is only the
// upstream's fee, and what the key is charged comes on top.
func (f *figures) bill() (tally.NanoUSD, bool) {
	n, ok := max(f.n[figCost], f.n[figTicks]), f.has(figCost) || f.has(figTicks)
	if f.n[figOwnKey] > 0 {
		n, ok = n+f.n[figUpstreamCost], f.has(figUpstreamCost)
	}
	if !ok {
		n = 0
	}
	return tally.NanoUSD(n), ok
}

// tokens splits what was told into disjoint classes.
func (f *figures) tokens(delivered int64) (tally.Tokens, Known) {
	p, c, sum := f.n[figPrompt], f.n[figCompletion], f.n[figTotal]
	read, short, long := f.caches()
	caches := read + short + long
	if p+c+sum+caches == 0 {
		if delivered == 0 && f.zero() {
			return tally.Tokens{}, KnownZero
		}
		return tally.Tokens{}, KnownNothing
	}
	known := KnownWhole
	switch {
	case p > 0 || sum <= c:
	case c > 0 || delivered == 0:
		p = sum - c
	default:
		c = min(delivered, sum)
		p, known = sum-c, KnownTotal
	}
	// What was read from a cache and written to one is part of the prompt in OpenAI's
	// dialect and beside the prompt in Anthropic's. It is beside the prompt if the prompt
	// is smaller, or if the total is the sum of prompt, output and caches.
	if f.apart || caches > p || caches > 0 && sum == p+c+caches && f.n[figReasoning] != caches {
		p += caches
	}
	if c == 0 && delivered > 0 {
		c = max(sum-p, 0)
	}
	// Reasoning is part of the completion with OpenAI, and on top of the completion with
	// xAI and Gemini. The total tells which. What the total has beyond prompt and
	// completion is reasoning that was not itemised.
	thought := f.n[figReasoning]
	if extra := sum - p - c; extra > 0 {
		c += extra
		thought = max(thought, extra)
	}
	thought = min(thought, c)
	t := tally.Tokens{CachedInput: read, CacheWrite: short, CacheWriteLong: long, Reasoning: thought}
	t.AudioInput, t.ImageInput, t.Input = partsOf(p, p-caches, f.n[figAudioIn], f.n[figImageIn], f.n[figCachedAudio], f.n[figCachedImage])
	t.AudioOutput, t.ImageOutput, t.Output = partsOf(c, c-thought, f.n[figAudioOut], f.n[figImageOut], 0, 0)
	switch {
	case !t.Sane():
		return tally.Tokens{}, KnownNothing
	case p == 0:
		known = KnownOutput
	case c == 0 && delivered > 0:
		known = KnownInput
	}
	return t, known
}

// caches is what was read from caches, and written for a short and a long time.
func (f *figures) caches() (read, short, long int64) {
	read, long = f.n[figCached], f.n[figWrittenLong]
	write := max(f.n[figWritten], f.n[figWrittenByPrefix], f.n[figWrittenShort]+long)
	if p := f.n[figPrompt]; write == f.n[figWrittenByPrefix] && read <= write && write <= p && read+write > p && f.n[figTotal] == p+f.n[figCompletion] {
		// OpenAI may count the whole prefix that it keeps as written, including what it has
		// read of that prefix. OpenAI bills each token of a prompt once.
		write -= read
	}
	long = min(long, write)
	return read, write - long, long
}

// partsOf takes sound and pictures out of a whole, of which rest has no other class. Parts
// that are more than the whole are not believed. Sound and pictures that were cached stay
// cached. Where it is not told how many were cached, the rest bounds them.
func partsOf(whole, rest, audio, image, heardBefore, seenBefore int64) (sound, pictures, plain int64) {
	if audio+image > whole {
		return 0, 0, rest
	}
	sound = min(max(audio-heardBefore, 0), rest)
	pictures = min(max(image-seenBefore, 0), rest-sound)
	return sound, pictures, rest - sound - pictures
}

// count puts the pieces of a call into its report that are no searches: images as they came,
// queries or seconds as they were told. An answer without images says nothing of how many
// are billed.
func (r *Report) count(piece tally.Piece, f *figures, pieces int64) {
	switch piece {
	case tally.Image, tally.Query:
		r.Pieces, r.Counted = pieces, pieces > 0
	case tally.SoundSecond:
		r.Pieces, r.Counted = f.n[figSeconds], f.has(figSeconds)
	}
}
