package dialect

import "tallygate/providers/dialect/wire"

// A custom tool takes free text. Where a dialect has no such tools it is a function with
// one string, under this name.
const customInput = "input"

// FunctionSchema is the schema of a tool's arguments where all tools are functions.
func (t *Tool) FunctionSchema() wire.Value {
	if !t.Custom {
		if t.Schema == nil {
			return wire.Value(`{"type":"object","properties":{}}`)
		}
		return t.Schema
	}
	in := wire.Begin(nil)
	in.Text("type", "string")
	if def := t.Grammar.Get("definition").Text(); def != "" {
		in.Text("description", "Follows this "+t.Grammar.Get("syntax").Text()+" grammar:\n"+def)
	}
	out := wire.Begin(nil)
	out.Raw("type", `"object"`)
	out.Key("properties")
	props := wire.Begin(out.Buf)
	props.Value(customInput, in.End())
	out.Buf = props.End()
	out.Raw("required", `["`+customInput+`"]`)
	out.Raw("additionalProperties", "false")
	return out.End()
}

// FunctionArguments are the arguments of a call where all tools are functions.
func (c *Call) FunctionArguments() string {
	if !c.Custom {
		return c.Arguments
	}
	return string(wrapped(c.Arguments))
}

// ObjectArguments are the arguments of a call as an object: what a model wrote that is
// none becomes one string.
func (c *Call) ObjectArguments() wire.Value {
	if c.Custom {
		return wrapped(c.Arguments)
	}
	v, off := wire.Parse([]byte(c.Arguments))
	switch {
	case off < 0 && v.Kind() == '{':
		return v
	case c.Arguments == "":
		return wire.Value("{}")
	}
	return wrapped(c.Arguments)
}

func wrapped(text string) wire.Value {
	o := wire.Begin(nil)
	o.Text(customInput, text)
	return o.End()
}

// FreeText is the free text in the arguments of a function that stands for a custom tool.
func FreeText(arguments string) string {
	v, off := wire.Parse([]byte(arguments))
	if in := v.Get(customInput); off < 0 && in.Kind() == '"' {
		return in.Text()
	}
	return arguments
}
