package control

import (
	"cmp"

	"tallygate/engine/tally"
)

// TemplateFields are what the owner may set on a template. A nil field is left as it is.
type TemplateFields struct {
	System      *string `json:"system,omitempty" label:"System text" help:"what the model is told before the visitor's words; pages never see it"`
	Model       *string `json:"model,omitempty" of:"model" unset:"the gateway's default" help:"the model that answers; none: the gateway's default"`
	MaxOutput   *int64  `json:"max_output,omitempty" label:"Longest" help:"output tokens of one answer; 0: as the token and the settings say"`
	Temperature *string `json:"temperature,omitempty" unset:"the model's own" help:"0 to 2; none: the model's own"`
}

// SetTemplate makes a template of a gateway, or changes it. A new one needs a system text.
type SetTemplate struct {
	Name    string `json:"name" arg:"1" help:"its name: a-z, 0-9 and -, up to 40"`
	Gateway string `json:"gateway,omitempty" of:"gateway" unset:"the oldest" help:"=its gateway"`
	TemplateFields
}

// PickTemplate picks a template of a gateway.
type PickTemplate struct {
	Name    string `json:"name" arg:"1" of:"template" help:"its name"`
	Gateway string `json:"gateway,omitempty" of:"gateway" unset:"the oldest" help:"=its gateway"`
}

// TemplateView is a template as it stands.
type TemplateView struct {
	tally.Template
	Gateway string `json:"gateway"` // slug
	Bytes   int    `json:"system_bytes"`
	Tokens  int    `json:"tokens"` // access tokens that were minted here, are locked to it and work
}

// CurrentTemplate is the template as its fields.
func CurrentTemplate(t *tally.Template) TemplateFields {
	return TemplateFields{System: &t.System, Model: &t.Model, MaxOutput: &t.MaxOutput, Temperature: &t.Temperature}
}

// TemplateTable shows templates.
var TemplateTable = NewTable(Table[*TemplateView]{
	Thing: "template", Make: "tallygate templates set NAME --system-file FILE",
	ID: func(v *TemplateView) string { return v.Gateway + "/" + v.Name },
	Columns: []Column[*TemplateView]{
		{Name: "template", Field: "name"},
		{Name: "gateway", Spare: 3},
		{Name: "model", Get: func(v *TemplateView) Value { return WordOf(cmp.Or(v.Model, "default")) }},
		{Name: "longest", Field: "max_output", Spare: 2, NoZero: true},
		{Name: "temperature", Spare: 4, Get: func(v *TemplateView) Value { return WordOf(v.Temperature) }},
		{Name: "bytes", Field: "system_bytes", Spare: 1},
		{Name: "tokens", NoZero: true},
	},
})

// The operations on templates.
var (
	TemplatesList   = Op[Listing, []TemplateView]{"templates.list", Read, "list templates: what gateways put around the words of visitors"}
	TemplatesShow   = Op[PickTemplate, TemplateView]{"templates.show", Read, "show a template with its system text"}
	TemplatesSet    = Op[SetTemplate, TemplateView]{"templates.set", Write, "make a template, or change it"}
	TemplatesDelete = Op[PickTemplate, None]{"templates.delete", Write, "delete a template that no access token needs"}
)
