package main

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/chat"
	"tallygate/providers/dialect/messages"
)

const dialectsIntro = `Dialects

Clients speak whichever they like:

  POST /v1/chat/completions   OpenAI's chat completions
  POST /v1/responses          OpenAI's Responses API
  POST /v1/messages           Anthropic's Messages API, and …/count_tokens
  POST /api/chat              Ollama's

and /openai/deployments/MODEL/chat/completions, as Azure has it.

A request passes as it is, with all its fields, where its provider has the same
API: only the model's name, the longest answer that is granted and the wish for
usage are put into it, and the answer comes back as it is. Which kinds have which:
tallygate providers kinds. The kind anthropic has messages, all others have chat
completions, and some have responses as well. Elsewhere the request is written
anew, once, tools, images, schemas and streams included, and so is the answer. What
becomes of each wish then:

`

// dialectsText explains dialects with what becomes of each feature in translation.
func dialectsText() string {
	return dialectsIntro + dialect.Print(chat.Dialect{}.Table(), messages.Dialect{}.Table())
}
