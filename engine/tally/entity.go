package tally

import (
	"bytes"
	"encoding/json"
	"time"
)

// EntityKind names a kind of entity, in the store and in events.
type EntityKind string

// The kinds.
const (
	KindGateway  EntityKind = "gateway"
	KindClient   EntityKind = "client"
	KindKey      EntityKind = "key"
	KindSecret   EntityKind = "secret"
	KindProvider EntityKind = "provider"
	KindModel    EntityKind = "model"
	KindSettings EntityKind = "settings"
	// KindRevocation is of access tokens.
	KindRevocation EntityKind = "revocation"
	// KindMinted is of access tokens that were minted here.
	KindMinted EntityKind = "token"
	// KindTombstone is of things that were deleted, and whose figures stay.
	KindTombstone EntityKind = "tombstone"
	// KindGuest is of people who may come in over ssh.
	KindGuest EntityKind = "guest"
	// KindAlert is of what the owner was told, KindAlertMark of what need not be told again.
	// KindReconciled is of what was found when bills of providers were compared. They are no
	// part of a [Catalog].
	KindAlert      EntityKind = "alert"
	KindAlertMark  EntityKind = "alert_mark"
	KindReconciled EntityKind = "reconciled"
	// KindShare is of links to clients' own pages.
	KindShare EntityKind = "share"
)

// Meta is what every entity has. Rev is the store's revision at its last
// change: a change that names an older one is refused as a conflict.
type Meta struct {
	ID        ID        `json:"id"`
	Rev       int64     `json:"rev"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Entity is a pointer to one of the entity types. Entities in a [Catalog] are
// shared and must not be changed; copy first.
type Entity interface {
	Kind() EntityKind
	Base() *Meta
}

// NewEntity returns an empty entity of a kind, nil for an unknown kind.
func NewEntity(k EntityKind) Entity {
	switch k {
	case KindGateway:
		return &Gateway{}
	case KindClient:
		return &Client{}
	case KindKey:
		return &Key{}
	case KindSecret:
		return &Secret{}
	case KindProvider:
		return &Provider{}
	case KindModel:
		return &Model{}
	case KindSettings:
		return &Settings{}
	case KindRevocation:
		return &Revocation{}
	case KindMinted:
		return &MintedToken{}
	case KindTombstone:
		return &Tombstone{}
	case KindGuest:
		return &Guest{}
	case KindAlert:
		return &Alert{}
	case KindAlertMark:
		return &AlertMark{}
	case KindReconciled:
		return &Reconciled{}
	case KindShare:
		return &Share{}
	}
	return nil
}

// ReadEntity reads the JSON of an entity of a kind, also as it was written before.
func ReadEntity(k EntityKind, text []byte) (Entity, error) {
	e := NewEntity(k)
	if e == nil {
		return nil, Errorf(Invalid, "%q is no kind of thing", k)
	}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, err
	}
	if c, ok := e.(*Client); ok && bytes.Contains(text, []byte(`"markup_basis_points"`)) {
		return e, c.readMarkup(text)
	}
	return e, nil
}

// Base returns the entity's Meta.
func (m *Meta) Base() *Meta { return m }
