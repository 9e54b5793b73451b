package openai

import (
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
)

// preset is a kind and the habits in which it differs from OpenAI.
type preset struct {
	providers.Kind
	// completionTokens: the upstream obeys max_completion_tokens, and its newer models
	// refuse max_tokens. Other upstreams obey max_tokens only. They would ignore the other
	// name, so that it bounds nothing, or refuse it (Mistral).
	completionTokens bool
	// both: the upstream obeys whichever of max_tokens and max_completion_tokens the client
	// used.
	both bool
	// noStreamOptions: stream_options is refused; usage comes unasked.
	noStreamOptions bool
	// base64: embeddings can be asked for in base64. Other upstreams are asked for numbers:
	// some refuse base64 (older vLLM), and some answer with numbers all the same (Ollama,
	// LM Studio).
	base64 bool
	// keyField is the header of the upstream's API key, without a scheme before the key; ""
	// is Authorization.
	keyField string
	// gateway: the upstream is another tallygate. It is told how many gateways there were
	// before it, and may be named by its address alone.
	gateway bool
}

var presets = [...]preset{
	{Kind: providers.Kind{Name: "openai", Title: "OpenAI", BaseURL: "https://api.openai.com/v1", EnvKey: "OPENAI_API_KEY", KeyURL: "https://platform.openai.com/api-keys", Publisher: "openai", StopsBilling: true, Dialects: []dialect.Name{dialect.Chat, dialect.Responses}}, completionTokens: true, both: true, base64: true},
	{Kind: providers.Kind{Name: "anthropic", Title: "Anthropic", BaseURL: "https://api.anthropic.com/v1", EnvKey: "ANTHROPIC_API_KEY", KeyURL: "https://platform.claude.com/settings/keys", Publisher: "anthropic", Dialects: []dialect.Name{dialect.Messages}}, keyField: "X-Api-Key"},
	{Kind: providers.Kind{Name: "openrouter", Title: "OpenRouter", BaseURL: "https://openrouter.ai/api/v1", EnvKey: "OPENROUTER_API_KEY", KeyURL: "https://openrouter.ai/settings/keys", FreeTier: true, CostBy: tally.CostTheirs, Dialects: []dialect.Name{dialect.Chat, dialect.Responses}, Fields: []string{"Http-Referer", "X-Title"}}, both: true, base64: true},
	{Kind: providers.Kind{Name: "gemini", Title: "Google Gemini", BaseURL: "https://generativelanguage.googleapis.com/v1beta/openai", EnvKey: "GEMINI_API_KEY", KeyURL: "https://aistudio.google.com/apikey", FreeTier: true, Publisher: "gemini"}},
	{Kind: providers.Kind{Name: "mistral", Title: "Mistral", BaseURL: "https://api.mistral.ai/v1", EnvKey: "MISTRAL_API_KEY", KeyURL: "https://console.mistral.ai/api-keys", FreeTier: true, Publisher: "mistral"}, noStreamOptions: true},
	{Kind: providers.Kind{Name: "groq", Title: "Groq", BaseURL: "https://api.groq.com/openai/v1", EnvKey: "GROQ_API_KEY", KeyURL: "https://console.groq.com/keys", FreeTier: true, Publisher: "groq", TokensPerSecond: 1500, LeastSeconds: 10}, both: true},
	{Kind: providers.Kind{Name: "xai", Title: "xAI", BaseURL: "https://api.x.ai/v1", EnvKey: "XAI_API_KEY", KeyURL: "https://console.x.ai", Publisher: "xai", StopsBilling: true, Dialects: []dialect.Name{dialect.Chat, dialect.Responses}}, both: true},
	{Kind: providers.Kind{Name: "deepseek", Title: "DeepSeek", BaseURL: "https://api.deepseek.com/v1", EnvKey: "DEEPSEEK_API_KEY", KeyURL: "https://platform.deepseek.com/api_keys", Publisher: "deepseek", StopsBilling: true}},
	{Kind: providers.Kind{Name: "together", Title: "Together AI", BaseURL: "https://api.together.xyz/v1", EnvKey: "TOGETHER_API_KEY", KeyURL: "https://api.together.ai/settings/api-keys", Publisher: "together", StopsBilling: true}},
	{Kind: providers.Kind{Name: "fireworks", Title: "Fireworks AI", BaseURL: "https://api.fireworks.ai/inference/v1", EnvKey: "FIREWORKS_API_KEY", KeyURL: "https://app.fireworks.ai/settings/users/api-keys", Publisher: "fireworks", StopsBilling: true}},
	{Kind: providers.Kind{Name: "azure", Title: "Azure OpenAI (https://RESOURCE.openai.azure.com/openai/v1)", EnvKey: "AZURE_OPENAI_API_KEY", KeyURL: "https://portal.azure.com", Publisher: "openai", StopsBilling: true, Dialects: []dialect.Name{dialect.Chat, dialect.Responses}}, completionTokens: true, both: true, base64: true, keyField: "Api-Key"},
	{Kind: providers.Kind{Name: "cerebras", Title: "Cerebras", BaseURL: "https://api.cerebras.ai/v1", EnvKey: "CEREBRAS_API_KEY", KeyURL: "https://cloud.cerebras.ai", FreeTier: true, Publisher: "cerebras", TokensPerSecond: 3000}, both: true},
	{Kind: providers.Kind{Name: "perplexity", Title: "Perplexity", BaseURL: "https://api.perplexity.ai", EnvKey: "PERPLEXITY_API_KEY", KeyURL: "https://www.perplexity.ai/account/api/keys", Publisher: "perplexity"}},
	{Kind: providers.Kind{Name: "moonshot", Title: "Moonshot AI", BaseURL: "https://api.moonshot.ai/v1", EnvKey: "MOONSHOT_API_KEY", KeyURL: "https://platform.moonshot.ai/console/api-keys", Publisher: "moonshot"}},
	{Kind: providers.Kind{Name: "alibaba", Title: "Alibaba Cloud", BaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", EnvKey: "DASHSCOPE_API_KEY", KeyURL: "https://modelstudio.console.alibabacloud.com", Publisher: "alibaba"}},
	{Kind: providers.Kind{Name: "zai", Title: "Z.ai", BaseURL: "https://api.z.ai/api/paas/v4", EnvKey: "ZAI_API_KEY", KeyURL: "https://z.ai/manage-apikey/apikey-list", FreeTier: true, Publisher: "zai"}},
	{Kind: providers.Kind{Name: "minimax", Title: "MiniMax", BaseURL: "https://api.minimax.io/v1", EnvKey: "MINIMAX_API_KEY", KeyURL: "https://platform.minimax.io/user-center/basic-information/interface-key", Publisher: "minimax"}},
	{Kind: providers.Kind{Name: "cohere", Title: "Cohere", BaseURL: "https://api.cohere.ai/compatibility/v1", EnvKey: "COHERE_API_KEY", KeyURL: "https://dashboard.cohere.com/api-keys", FreeTier: true, Publisher: "cohere"}},
	{Kind: providers.Kind{Name: "voyage", Title: "Voyage AI (embeddings)", BaseURL: "https://api.voyageai.com/v1", EnvKey: "VOYAGE_API_KEY", KeyURL: "https://dashboard.voyageai.com", Publisher: "voyage"}},
	{Kind: providers.Kind{Name: "ollama", Title: "Ollama", BaseURL: "http://localhost:11434/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "lmstudio", Title: "LM Studio", BaseURL: "http://localhost:1234/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "vllm", Title: "vLLM", BaseURL: "http://localhost:8000/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "llamacpp", Title: "llama.cpp or llama-swap", BaseURL: "http://localhost:8080/v1", Local: true, StopsBilling: true}},
	{Kind: providers.Kind{Name: "litellm", Title: "LiteLLM", BaseURL: "http://localhost:4000/v1", Dialects: []dialect.Name{dialect.Chat, dialect.Responses, dialect.Messages}}, both: true},
	{Kind: providers.Kind{Name: "tallygate", Title: "Another tallygate", Dialects: []dialect.Name{dialect.Chat, dialect.Responses, dialect.Messages}}, both: true, base64: true, gateway: true},
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
