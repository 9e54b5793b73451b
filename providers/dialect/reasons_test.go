package dialect_test

import (
	"testing"

	"tallygate/providers/dialect"
)

func TestWhichModelsReason(t *testing.T) {
	for model, want := range map[string][2]bool{
		"gpt-4o-mini": {false, false}, "gpt-5.5": {true, false}, "o3-mini": {true, false}, "openai/gpt-oss-120b": {true, false}, "foo1": {false, false},
		"claude-3-5-sonnet-20241022": {false, false}, "claude-3-7-sonnet-20250219": {true, false}, "anthropic/claude-sonnet-4-5": {true, false}, "claude-opus-4-6": {true, true}, "claude-opus-5-5": {true, true},
	} {
		if got := [2]bool{dialect.Reasons(model), dialect.Adaptive(model)}; got != want {
			t.Errorf("%s: reasons and adaptive are %v, want %v", model, got, want)
		}
	}
}
