package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Each row is what somebody types and what the engine is then asked.
func TestFlagsFillTheInput(t *testing.T) {
	for _, test := range []struct {
		name string
		in   any
		args []string
		want string
	}{
		{"nothing given, nothing set", &control.UpdateClient{}, nil, `{"client":""}`},
		{"a pointer is set, even to nothing", &control.UpdateClient{}, []string{"--note", ""}, `{"client":"","note":""}`},
		{"lists grow", &control.UpdateClient{}, []string{"--origin", "https://a.example", "--origin", "https://b.example"}, `{"client":"","origins":["https://a.example","https://b.example"]}`},
		{"limits", &control.CreateClient{}, []string{"--limit", "cost=50/month", "--limit", "requests=none/minute"},
			`{"limits":[{"metric":"cost","window":"month","max":50000000000},{"metric":"requests","window":"minute","max":0,"remove":true}]}`},
		{"days", &control.UpdateClient{}, []string{"--session-length", "2d12h"}, `{"client":"","session_length_ns":216000000000000}`},
		{"numbers and named texts", &control.UpdateClient{}, []string{"--max-in-flight", "0", "--status", "inactive"}, `{"client":"","status":"inactive","max_in_flight":0}`},
		{"prices are exact", &control.CreateModel{}, []string{"--provider", "p", "--name", "m", "--price", "input=0.15", "--price", "cached-input=0.000000001"},
			`{"provider":"p","name":"m","prices":[{"class":"input","nano_usd":150000000},{"class":"cached_input","nano_usd":1}]}`},
		{"pairs", &control.UpdateGateway{}, []string{"--alias", "gpt-4=gpt-4o-mini", "--alias", "a=b=c"}, `{"gateway":"","aliases":{"a":"b=c","gpt-4":"gpt-4o-mini"}}`},
		{"no pairs", &control.UpdateGateway{}, []string{"--alias", "none"}, `{"gateway":"","aliases":{}}`},
		{"a switch, on and off", &control.UpdateProvider{}, []string{"--enabled=false"}, `{"provider":"","enabled":false}`},
		{"a switch without a value", &control.UpdateModel{}, []string{"--enabled", "--context-tokens", "128000"}, `{"model":"","context_tokens":128000,"enabled":true}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
			addFlags(fs, test.in)
			if err := fs.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestFlagsRefuse(t *testing.T) {
	for _, args := range [][]string{
		{"--limit", "cost=-1/month"}, {"--limit", "cost=5/fortnight"}, {"--limit", "money=5/month"}, {"--limit", "requests=0.5/day"},
		{"--max-in-flight", "many"}, {"--max-in-flight", "99999999999999999999"}, {"--session-length", "soon"}, {"--session-length", "-3h"},
	} {
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		addFlags(fs, &control.CreateClient{})
		if err := fs.Parse(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	for _, price := range []string{"", "input", "=1", "input=-1", "input=1e3", "input=0.0000000001"} {
		if _, err := control.ParsePrice(price); tally.CodeOf(err) != tally.Invalid {
			t.Errorf("price %q: error %v", price, err)
		}
	}
}

// A secret has no flag: it would be seen in the list of processes.
func TestSecretsHaveNoFlag(t *testing.T) {
	a := &app{env: func(string) (string, bool) { return "", false }}
	for _, setting := range knownSettings(a.root()) {
		if strings.Contains(setting, "key") && setting != "tls-key" && // which names a file
			!strings.HasSuffix(setting, "-key-env") && !strings.HasSuffix(setting, "-key-file") && !strings.HasSuffix(setting, "-key-stdin") &&
			!strings.HasPrefix(setting, "ssh.add.") && // of public ones
			!strings.HasPrefix(setting, "keys.") && setting != "requests.list.key" && setting != "requests.tail.key" && setting != "requests.export.key" {
			t.Errorf("the flag %s takes a key", setting)
		}
	}
}
