package openai

import (
	"tallygate/engine/tally"
	"tallygate/providers"
)

// preset is a kind and the habits in which it differs from OpenAI.
type preset struct {
	providers.Kind
	// completionTokens: the upstream obeys max_completion_tokens, and its newer
	// models refuse max_tokens. Others obey max_tokens only, so that the other
	// name would bound nothing, or be refused (Mistral).
	completionTokens bool
	// both: the upstream obeys whichever of the two the client used.
	both bool
	// noStreamOptions: stream_options is refused; usage comes unasked.
	noStreamOptions bool
	// base64: embeddings can be asked for in base64. Some upstreams refuse that
	// (older vLLM) and some answer with numbers all the same (Ollama, LM Studio),
	// so others are asked for numbers.
	base64 bool
	// gateway: it is another tallygate, which is told how many there were before
	// it, and may be named by its address alone.
	gateway bool
}

var presets = [...]preset{
	{Kind: providers.Kind{Name: "openai", Title: "OpenAI", BaseURL: "https://api.openai.com/v1", EnvKey: "OPENAI_API_KEY", Publisher: "openai", StopsBilling: true}, completionTokens: true, both: true, base64: true},
	{Kind: providers.Kind{Name: "openrouter", Title: "OpenRouter", BaseURL: "https://openrouter.ai/api/v1", EnvKey: "OPENROUTER_API_KEY", CostBy: tally.CostTheirs}, both: true, base64: true},
	{Kind: providers.Kind{Name: "gemini", Title: "Google Gemini", BaseURL: "https://generativelanguage.googleapis.com/v1beta/openai", EnvKey: "GEMINI_API_KEY", Publisher: "gemini"}},
	{Kind: providers.Kind{Name: "mistral", Title: "Mistral", BaseURL: "https://api.mistral.ai/v1", EnvKey: "MISTRAL_API_KEY", Publisher: "mistral"}, noStreamOptions: true},
	{Kind: providers.Kind{Name: "groq", Title: "Groq", BaseURL: "https://api.groq.com/openai/v1", EnvKey: "GROQ_API_KEY", Publisher: "groq", TokensPerSecond: 1500}, both: true},
	{Kind: providers.Kind{Name: "xai", Title: "xAI", BaseURL: "https://api.x.ai/v1", EnvKey: "XAI_API_KEY", Publisher: "xai", StopsBilling: true}, both: true},
	{Kind: providers.Kind{Name: "deepseek", Title: "DeepSeek", BaseURL: "https://api.deepseek.com/v1", EnvKey: "DEEPSEEK_API_KEY", Publisher: "deepseek", StopsBilling: true}},
	{Kind: providers.Kind{Name: "together", Title: "Together AI", BaseURL: "https://api.together.xyz/v1", EnvKey: "TOGETHER_API_KEY", Publisher: "together", StopsBilling: true}},
	{Kind: providers.Kind{Name: "fireworks", Title: "Fireworks AI", BaseURL: "https://api.fireworks.ai/inference/v1", EnvKey: "FIREWORKS_API_KEY", Publisher: "fireworks", StopsBilling: true}},
	{Kind: providers.Kind{Name: "ollama", Title: "Ollama", BaseURL: "http://localhost:11434/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "lmstudio", Title: "LM Studio", BaseURL: "http://localhost:1234/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "vllm", Title: "vLLM", BaseURL: "http://localhost:8000/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "tallygate", Title: "Another tallygate"}, both: true, base64: true, gateway: true},
	{Kind: providers.Kind{Name: "custom", Title: "Other, OpenAI-compatible"}},
}

// Kinds lists the presets, best known first.
func Kinds() []providers.Kind {
	kinds := make([]providers.Kind, 0, len(presets))
	for i := range presets {
		k := presets[i].Kind
		k.New = New
		kinds = append(kinds, k)
	}
	return kinds
}

// presetOf finds a kind.
func presetOf(name tally.ProviderKind) (*preset, error) {
	for i := range presets {
		if presets[i].Name == name {
			return &presets[i], nil
		}
	}
	return nil, tally.Errorf(tally.Invalid, "there is no kind of provider %q", name)
}
