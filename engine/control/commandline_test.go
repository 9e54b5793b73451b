package control

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

func TestCommandLines(t *testing.T) {
	limit, err := tally.ParseLimit("cost=80/month")
	if err != nil {
		t.Fatal(err)
	}
	client := UpdateClient{Client: "hotel-aurora", ClientFields: ClientFields{Name: new("Hotel Aurora"), Limits: []tally.LimitEdit{limit, limit}, Email: new("")}}
	for _, tc := range []struct {
		op   string
		in   any
		want string
	}{
		{"clients.update", &client, "tallygate clients update hotel-aurora --name 'Hotel Aurora' --email '' --limit cost=80/month --limit cost=80/month"},
		{"clients.raise", RaiseClient{Client: "aurora", RaiseFields: RaiseFields{Limit: "cost/month", By: "20", Until: "friday"}}, "tallygate clients raise aurora cost/month --by 20 --until friday"},
		{"keys.rotate", &RotateKey{PickKey: PickKey{Key: "key_1"}, Grace: 36 * time.Hour}, "tallygate keys rotate key_1 --grace 1d12h"},
		{"gateways.update", &UpdateGateway{Gateway: "main", GatewayFields: GatewayFields{Enabled: new(false)}}, "tallygate gateways update main --enabled=false"},
		{"audit.undo", &UndoChange{Entry: "12"}, "tallygate undo 12"},
		{"providers.create", &CreateProvider{Name: "o", ProviderKind: "openai", ProviderFields: ProviderFields{APIKeys: []Secret{"sk-secret"}}}, "tallygate providers create --name o --kind openai"},
	} {
		if got := CommandLine(tc.op, tc.in); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.op, got, tc.want)
		}
	}
	client.Note = new(strings.Repeat("é", 1000))
	if got := CommandLine("clients.update", &client); len(got) > longestCommand+3 || !strings.HasSuffix(got, "é…") {
		t.Errorf("a long one is %q", got)
	}
}
