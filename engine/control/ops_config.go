package control

import (
	"slices"

	"tallygate/engine/tally"
)

// ExportSecrets says for whom secrets are encrypted: for recipients of age, or for whoever
// knows a passphrase.
type ExportSecrets struct {
	Recipients []string `json:"recipients,omitempty" flag:"recipient" help:"public key age1… of somebody who may decrypt the secrets; repeat"`
	Passphrase Secret   `json:"passphrase,omitempty" flag:"-"`
}

// ConfigText is a config file, in YAML. Package engine/config says what stands in it.
type ConfigText struct {
	Text string `json:"text"`
}

// ApplyConfig makes what is set equal to a config file, as far as that says anything.
type ApplyConfig struct {
	Text  string `json:"text" flag:"-"` // the file
	Prune bool   `json:"prune,omitempty" help:"also delete what the lists of the file do not have, and set fields that it leaves out to their defaults"`
	Empty bool   `json:"empty,omitempty" flag:"-"` // only where nothing is set up yet
	// Rev is the revision of the store that the caller has seen the changes of; at another
	// one nothing is done. 0 is any.
	Rev int64 `json:"rev,omitempty" flag:"-"`
	// What opens the secrets of the file; WithoutSecrets leaves them out.
	Passphrase     Secret `json:"passphrase,omitempty" flag:"-"`
	Identity       Secret `json:"identity,omitempty" flag:"-"`
	WithoutSecrets bool   `json:"without_secrets,omitempty" help:"leave the secrets of the file out"`
}

// ConfigApplied is what a config file changes, or has changed.
type ConfigApplied struct {
	Rev     int64       `json:"rev"` // of the store that was looked at
	Changes []AuditView `json:"changes"`
	// Keys and Gateways are new and no secrets of the file were for them: their keys are
	// shown here and never again. Before it is done there are none.
	Keys     []KeyCreated     `json:"keys,omitempty"`
	Gateways []GatewayCreated `json:"gateways,omitempty"`
	Warnings []string         `json:"warnings,omitempty"`
}

// Deletes is how many things go.
func (a *ConfigApplied) Deletes() (n int) {
	for i := range a.Changes {
		if a.Changes[i].Action == tally.Deleted && a.Changes[i].Kind != tally.KindSecret {
			n++
		}
	}
	return n
}

// Undoable is whether tallygate undo can take all of it back: nothing is deleted or revoked
// that has a secret.
func (a *ConfigApplied) Undoable() bool {
	for i := range a.Changes {
		x := &a.Changes[i]
		revokes := func(f tally.FieldChange) bool { return f.Field == "revoked_at" || f.Field == "not_before" }
		if x.Kind == tally.KindSecret && x.Action != tally.Created || slices.ContainsFunc(x.Fields, revokes) {
			return false
		}
	}
	return true
}

// The operations on config files.
var (
	ConfigExport  = Op[None, ConfigText]{"config.export", Read, "write what is set as a file, without secrets"}
	ConfigSecrets = Op[ExportSecrets, ConfigText]{"config.secrets", Write, "write what is set as a file, with secrets that are encrypted"}
	ConfigDiff    = Op[ApplyConfig, ConfigApplied]{"config.diff", Read, "show what a file would change"}
	ConfigApply   = Op[ApplyConfig, ConfigApplied]{"config.apply", Write, "make what is set equal to a file"}
)
