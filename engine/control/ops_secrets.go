package control

// SecretsState is how the key is kept that seals the keys of providers and gateways.
type SecretsState struct {
	Kept    string `json:"kept"`              // where: "the key file /var/lib/tallygate/secrets.key"
	Wrapped string `json:"wrapped,omitempty"` // by what; "" where it lies open
	Sealed  int    `json:"sealed"`            // secrets that it seals
	// Rotating is whether a rotation has begun and not ended: the key before is still kept.
	Rotating bool `json:"rotating"`
}

// WrapSecrets wraps the key by a passphrase.
type WrapSecrets struct {
	Passphrase Secret `json:"passphrase" flag:"-"`
	Current    Secret `json:"current,omitempty" flag:"-"` // needed where one wraps it already
}

// UnwrapSecrets lets the key lie open again.
type UnwrapSecrets struct {
	Current Secret `json:"current" flag:"-"`
}

// RotateSecrets replaces the key.
type RotateSecrets struct {
	Visitors bool `json:"visitors,omitempty" help:"also the key that visitors and sessions are told apart by: limits of each visitor and of sessions begin anew"`
}

// The operations on the key of the store. None returns it.
var (
	SecretsStatus = Op[None, SecretsState]{"secrets.status", Read, "show how the key is kept that seals provider keys and private keys"}
	SecretsWrap   = Op[WrapSecrets, SecretsState]{"secrets.wrap", Write, "wrap the key by a passphrase, or by another one"}
	SecretsUnwrap = Op[UnwrapSecrets, SecretsState]{"secrets.unwrap", Write, "let the key lie in its file without a passphrase"}
	SecretsRotate = Op[RotateSecrets, SecretsState]{"secrets.rotate", Write, "replace the key, and seal everything anew"}
)
