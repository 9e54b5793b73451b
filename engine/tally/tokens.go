package tally

// Class is a class of tokens that may have a price of its own.
type Class uint8

// The classes. A prompt is made of the first six, an answer of the others.
const (
	ClassInput          Class = iota
	ClassCachedInput          // read from the upstream's cache
	ClassCacheWrite           // written to it
	ClassCacheWriteLong       // written to be kept for an hour
	ClassAudioInput
	ClassImageInput
	ClassOutput
	ClassReasoning
	ClassAudioOutput
	ClassImageOutput

	NumClasses = 10
)

// AllClasses lists them, parents before their children.
var AllClasses = [NumClasses]Class{ClassInput, ClassCachedInput, ClassCacheWrite, ClassCacheWriteLong, ClassAudioInput, ClassImageInput,
	ClassOutput, ClassReasoning, ClassAudioOutput, ClassImageOutput}

// classes are what is fixed about each: its name in prices, and whose rate it
// has without one of its own.
var classes = [NumClasses]struct {
	name   string
	parent Class
}{
	{"input", ClassInput}, {"cached_input", ClassInput}, {"cache_write", ClassInput}, {"cache_write_long", ClassCacheWrite},
	{"audio_in", ClassInput}, {"image_in", ClassInput},
	{"output", ClassInput}, {"reasoning", ClassOutput}, {"audio_out", ClassOutput}, {"image_out", ClassOutput},
}

func (c Class) String() string { return classes[c].name }

// Parent is the class whose rate this one has where it has none.
func (c Class) Parent() Class { return classes[c].parent }

// Prompt reports whether the class is of what goes in.
func (c Class) Prompt() bool { return c < ClassOutput }

// ParseClass finds a class by its name.
func ParseClass(name string) (Class, bool) {
	for _, c := range AllClasses {
		if classes[c].name == name {
			return c, true
		}
	}
	return 0, false
}

// Classes is a set of classes.
type Classes uint16

// SetOf makes a set.
func SetOf(list ...Class) Classes {
	var s Classes
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

// Has reports whether a class is in the set.
func (s Classes) Has(c Class) bool { return s&(1<<c) != 0 }

// The classes that any request can cause: an upstream caches unasked. The others
// take a request that asks for them.
var (
	PromptClasses = SetOf(ClassInput, ClassCachedInput, ClassCacheWrite)
	AnswerClasses = SetOf(ClassOutput, ClassReasoning)
)

// Tokens counts the tokens of a request in disjoint buckets: Input excludes all
// other classes of the prompt, Output all other classes of the answer. A
// provider normalises its upstream's spelling (OpenAI's cached tokens are part of
// its prompt tokens) before anything is counted.
type Tokens struct {
	Input          int64 `json:"input,omitempty"`
	CachedInput    int64 `json:"cached_input,omitempty"`
	CacheWrite     int64 `json:"cache_write,omitempty"`
	CacheWriteLong int64 `json:"cache_write_long,omitempty"`
	AudioInput     int64 `json:"audio_in,omitempty"`
	ImageInput     int64 `json:"image_in,omitempty"`
	Output         int64 `json:"output,omitempty"`
	Reasoning      int64 `json:"reasoning,omitempty"`
	AudioOutput    int64 `json:"audio_out,omitempty"`
	ImageOutput    int64 `json:"image_out,omitempty"`
}

// MaxTokens is the largest count of tokens in one bucket that is believed.
// The largest context known in 2026 is about a million; a hundred times that
// is a broken or hostile upstream.
const MaxTokens = 100_000_000

// ByClass returns the counts by class.
func (t Tokens) ByClass() [NumClasses]int64 {
	return [NumClasses]int64{t.Input, t.CachedInput, t.CacheWrite, t.CacheWriteLong, t.AudioInput, t.ImageInput,
		t.Output, t.Reasoning, t.AudioOutput, t.ImageOutput}
}

// TokensOf makes tokens of counts by class.
func TokensOf(n [NumClasses]int64) Tokens {
	return Tokens{n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9]}
}

// Prompt is what went in, in all classes.
func (t Tokens) Prompt() int64 {
	return t.Input + t.CachedInput + t.CacheWrite + t.CacheWriteLong + t.AudioInput + t.ImageInput
}

// Completion is what came out, in all classes.
func (t Tokens) Completion() int64 { return t.Output + t.Reasoning + t.AudioOutput + t.ImageOutput }

// Total is every token of the request.
func (t Tokens) Total() int64 { return t.Prompt() + t.Completion() }

// Sane reports whether every bucket is in [0, MaxTokens].
func (t Tokens) Sane() bool {
	for _, n := range t.ByClass() {
		if n < 0 || n > MaxTokens {
			return false
		}
	}
	return true
}

// Add returns the sum, bucket by bucket.
func (t Tokens) Add(o Tokens) Tokens { return t.plus(o, 1) }

// Sub returns the difference, bucket by bucket.
func (t Tokens) Sub(o Tokens) Tokens { return t.plus(o, -1) }

func (t Tokens) plus(o Tokens, sign int64) Tokens {
	n := t.ByClass()
	for c, m := range o.ByClass() {
		n[c] += sign * m
	}
	return TokensOf(n)
}

// Within moves tokens of classes that are not in the set to the plain input and
// output: a class that a request could not cause is not believed, since nothing
// was held for its price.
func (t Tokens) Within(set Classes) Tokens {
	n := t.ByClass()
	for _, c := range AllClasses {
		if set.Has(c) || n[c] == 0 {
			continue
		}
		to := ClassOutput
		if c.Prompt() {
			to = ClassInput
		}
		if c != to {
			n[to] += n[c]
			n[c] = 0
		}
	}
	return TokensOf(n)
}
