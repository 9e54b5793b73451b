// Package config reads and writes the file in which an owner keeps what is set: settings,
// providers with their models and prices, gateways with their templates, their clients and
// the keys of these. It knows nothing of a store; package engine compares a [File] with one.
//
// The file is YAML. Its fields are those that package control declares, by their names
// there without the unit that JSON needs ("session_length: 24h"), and each is read and
// written by [control.Field], as flags and forms are. What is as it would be anyway is
// left out, so the same store always has the same file.
//
// Secrets are in it only where that is asked for, in one block that age has encrypted.
package config

import (
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// File is what a file says. Of a list that is nil it says nothing.
type File struct {
	Settings  *Settings
	Alerts    *Alerts
	Providers []Provider
	Gateways  []Gateway
	Locked    string // the secrets, encrypted; "" without
}

// Lines says where in the file a thing stands: Path in words, and the lines of its fields
// by their names; that of the thing itself is "".
type Lines struct {
	Path string
	At   map[string]int
}

// Settings are the settings.
type Settings struct {
	control.SettingsFields
	Lines Lines `json:"-"`
}

// Alerts are what the owner is told of. Where to is secret, and stays where it is.
type Alerts struct {
	control.AlertFields
	Lines Lines `json:"-"`
}

// Provider is an upstream account.
type Provider struct {
	Name string             `json:"-"`
	Kind tally.ProviderKind `json:"kind"`
	control.ProviderFields
	Models []Model `json:"-"`
	Lines  Lines   `json:"-"`
}

// Model is a model of a provider. Prices are all rows, in their order; nil says nothing.
type Model struct {
	Name string `json:"-"`
	control.ModelFields
	Rows  []tally.Price `json:"-"`
	Lines Lines         `json:"-"`
}

// Gateway is a gateway. ID, its public one, is part of addresses and of access tokens, and
// counts only where the gateway is made.
type Gateway struct {
	Slug string `json:"-"`
	ID   string `json:"gateway_id,omitempty"`
	control.GatewayFields
	Providers *[]string  `json:"providers,omitempty"` // in the order in which they are asked
	Templates []Template `json:"-"`
	Clients   []Client   `json:"-"`
	Lines     Lines      `json:"-"`
}

// Template is a template of a gateway.
type Template struct {
	Name string `json:"-"`
	control.TemplateFields
	Lines Lines `json:"-"`
}

// Client is a client of a gateway.
type Client struct {
	Slug   string        `json:"-"`
	Status *tally.Status `json:"status,omitempty"`
	control.ClientFields
	Keys  []Key `json:"-"`
	Lines Lines `json:"-"`
}

// Key is a key of a client, without what makes it one.
type Key struct {
	Label   string            `json:"-"`
	Expires *control.Expiry   `json:"expires,omitempty"`
	Limits  []tally.LimitEdit `json:"limits,omitempty"`
	Tags    *[]string         `json:"tags,omitempty"`
	Lines   Lines             `json:"-"`
}

// elsewhere are fields that are no text of their own in a file: secrets, and prices, which
// are rows there.
var elsewhere = map[string]bool{"api_keys": true, "prices": true, "price_from": true}
