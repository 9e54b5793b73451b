package gateway

import (
	"strings"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// tagsHeader is where a caller marks a request: "project=alpha, run=42".
const tagsHeader = "X-Tallygate-Tags"

// readTags takes what the caller marks the request with: the header, and of the body's
// metadata what fits beside it. Only a client's requests are marked: a page's visitor could
// write anything.
func (x *exchange) readTags() *tally.Refusal {
	if x.principal.Client == nil {
		return nil
	}
	if list := x.r.Header[tagsHeader]; len(list) > 0 {
		tags, err := tally.ParseTags(auth.Redact(strings.Join(list, ",")))
		if err != nil {
			e := tally.AsError(err)
			return tally.BadRequest(tagsHeader, "The header "+tagsHeader+" cannot be read: "+e.Message+". Write "+tagsHeader+": project=alpha, run=42.")
		}
		x.said = tags
	}
	n := x.said.Len()
	x.envelope.EachMetadata(func(key, value string) {
		if tag, err := tally.Tag(key, auth.Redact(value)); err == nil && n < tally.MaxTags && x.said.Value(key) == "" {
			x.said, n = x.said.With(tag), n+1
		}
	})
	return nil
}

// tags are what the request counts under: what its key says, then what its caller does, and
// which program sent it.
func (x *exchange) tags() tally.Tags {
	p := x.principal
	if p.Client == nil {
		return ""
	}
	tags := x.said
	if p.Key != nil && p.Key.Tags != "" {
		n := p.Key.Tags.Len()
		tags = p.Key.Tags
		for tag := range x.said.All() {
			if key, _, _ := strings.Cut(tag, "="); n < tally.MaxTags && tags.Value(key) == "" {
				tags, n = tags.With(tag), n+1
			}
		}
	}
	if tool := toolOf(x.r.Header["User-Agent"]); tool != "" {
		tags = tags.With(tool)
	}
	return x.server.Meter.Tags(x.ctx, p, tags, x.at)
}

// tools are programs by how their User-Agent begins, in small letters.
var tools = [...]struct{ begins, tag string }{
	{"claude-cli/", "tool=claude-code"}, {"claude-code/", "tool=claude-code"}, {"codex", "tool=codex"},
	{"n8n", "tool=n8n"}, {"curl/", "tool=curl"}, {"openai/", "tool=openai-sdk"}, {"asyncopenai/", "tool=openai-sdk"},
	{"anthropic/", "tool=anthropic-sdk"}, {"asyncanthropic/", "tool=anthropic-sdk"}, {"langchainjs", "tool=langchain"},
	{"agents/", "tool=openai-agents"}, {"ai/", "tool=ai-sdk"}, {"ai-sdk", "tool=ai-sdk"}, {"mozilla/", "tool=browser"},
}

// toolOf is the tag that names the program of a User-Agent: by the name that people know it under, or else
// by what stands before the version.
func toolOf(header []string) string {
	if len(header) == 0 {
		return ""
	}
	agent := header[0]
	for i := range tools {
		if n := len(tools[i].begins); len(agent) >= n && strings.EqualFold(agent[:n], tools[i].begins) {
			return tools[i].tag
		}
	}
	name, _, _ := strings.Cut(agent, "/")
	name, _, _ = strings.Cut(strings.ToLower(name), " ")
	if tally.CheckTagKey(name) != nil {
		return ""
	}
	return tally.TagTool + "=" + name
}
