package tally

import (
	"iter"
	"slices"
	"strings"
	"unicode"
)

// Tags are what a request is marked with, by its caller or by the key that it came with:
// "project=alpha,run=42", in the order of their keys, at most one of a key. They are read
// by [ParseTags]. Callers choose the values, so they are shown only as text.
type Tags string

// Bounds of tags.
const (
	MaxTags     = 4 // of one request, beside that of its tool
	maxTagKey   = 32
	maxTagValue = 64
	// OtherTag is the value of a tag once its client has had too many of them.
	OtherTag = "other"
)

// Keys of parts that are not tags of the caller's own.
const (
	PartModel   = "model"   // the model as the client asked
	PartSession = "session" // the end user
	TagTool     = "tool"    // the program that sent the request, by its User-Agent
)

// ParseTags reads tags as a header has them: "project=alpha, run=42". An error says what a
// tag must be.
func ParseTags(s string) (Tags, error) {
	var list []string
	for tag := range strings.SplitSeq(s, ",") {
		if tag = strings.TrimSpace(tag); tag == "" {
			continue
		}
		key, value, _ := strings.Cut(tag, "=")
		tag, err := Tag(key, value)
		if err != nil {
			return "", err
		}
		list = append(list, tag)
	}
	if len(list) > MaxTags {
		return "", Errorf(Invalid, "there are %d tags, and a request has at most %d", len(list), MaxTags)
	}
	tags := Tags("")
	for _, tag := range list {
		key, _, _ := strings.Cut(tag, "=")
		if tags.Value(key) != "" {
			return "", Errorf(Invalid, "there are two tags %q", key)
		}
		tags = tags.With(tag)
	}
	return tags, nil
}

// Tag makes a tag of a key and a value, in which blanks become underscores.
func Tag(key, value string) (string, error) {
	key, value = strings.TrimSpace(key), strings.Join(strings.Fields(value), "_")
	if err := CheckTagKey(key); err != nil {
		return "", err
	}
	if len(value) == 0 || len(value) > maxTagValue || strings.ContainsFunc(value, notInTag) {
		return "", Errorf(Invalid, "the tag %q has no value that can be told", key).
			WithHint("1 to %d bytes of text without commas", maxTagValue)
	}
	return key + "=" + value, nil
}

func notInTag(r rune) bool {
	return r == ',' || r == ' ' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
}

// CheckTagKey says what is wrong with the key of a tag that a caller chooses.
func CheckTagKey(key string) error {
	strange := func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
	}
	switch {
	case key == "" || len(key) > maxTagKey || strings.ContainsFunc(key, strange):
		return Errorf(Invalid, "%q is not the key of a tag", key[:min(len(key), maxTagKey)]).
			WithHint("write KEY=VALUE, like project=alpha; a key has 1 to %d small letters, digits, dots, hyphens and underscores", maxTagKey)
	case key == PartModel || key == PartSession || key == TagTool:
		return Errorf(Invalid, "%q is what tallygate itself calls by that name, and no tag", key)
	}
	return nil
}

// All are the tags, each as KEY=VALUE.
func (t Tags) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for t != "" {
			var tag string
			if tag, t = t.Cut(); !yield(tag) {
				return
			}
		}
	}
}

// Cut is the first of the tags, and the others. What goes through them with it allocates
// nothing.
func (t Tags) Cut() (tag string, rest Tags) {
	tag, others, _ := strings.Cut(string(t), ",")
	return tag, Tags(others)
}

// otherSession marks a request whose session is one of too many to be told apart.
const otherSession = PartSession + "=" + OtherTag

// WithOtherSession are the tags of a request whose session has no row of its own.
func (t Tags) WithOtherSession() Tags { return t.With(otherSession) }

// SessionRow is what the record's session is called in [ByClientSession], "" for none.
func (r *Record) SessionRow() string {
	if r.Session != "" && r.Tags.Has(otherSession) {
		return OtherTag
	}
	return r.Session
}

// Len is how many there are.
func (t Tags) Len() int {
	if t == "" {
		return 0
	}
	return strings.Count(string(t), ",") + 1
}

// Value is the value of a key, "" if there is none.
func (t Tags) Value(key string) string {
	for t != "" {
		var tag string
		tag, t = t.Cut()
		if k, value, _ := strings.Cut(tag, "="); k == key {
			return value
		}
	}
	return ""
}

// Has reports whether a tag, written KEY=VALUE, is among them.
func (t Tags) Has(tag string) bool {
	for t != "" {
		var one string
		if one, t = t.Cut(); one == tag {
			return true
		}
	}
	return false
}

// With are the tags with one more, which takes the place of one of the same key.
func (t Tags) With(tag string) Tags {
	if t == "" {
		return Tags(tag)
	}
	key, _, _ := strings.Cut(tag, "=")
	list := []string{tag}
	for other := range t.All() {
		if k, _, _ := strings.Cut(other, "="); k != key {
			list = append(list, other)
		}
	}
	slices.Sort(list)
	return Tags(strings.Join(list, ","))
}
