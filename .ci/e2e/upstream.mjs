// A scripted upstream of OpenAI's shape. What it does is in the model's name,
// so a test reads like a list of situations. It keeps every request it got and
// adds up the usage it reported: what a gateway should have billed.
import http from 'node:http'

const sleep = (ms) => new Promise((ok) => setTimeout(ok, ms))

export class Upstream {
  requests = [] // {url, headers, raw, body, closed}
  reported = { calls: 0, prompt: 0, completion: 0 }
  calls = {} // per model
  call = (body) => [body.tools[0].function.name, trip]
  models = ['gpt-4o-mini', 'text-embedding-3-small', 'nobody-knows-this-model']

  static async start() {
    const u = new Upstream()
    u.server = http.createServer((req, res) => u.#serve(req, res).catch(() => res.destroy()))
    await new Promise((ok) => u.server.listen(0, '127.0.0.1', ok))
    u.base = `http://127.0.0.1:${u.server.address().port}/v1`
    return u
  }

  async stop() {
    this.server.closeAllConnections()
    await new Promise((ok) => this.server.close(ok))
  }

  last(model) {
    return this.requests.findLast((r) => r.body?.model === model)
  }

  count(model) {
    return this.calls[model] ?? 0
  }

  async #serve(req, res) {
    const chunks = []
    for await (const c of req) chunks.push(c)
    const raw = Buffer.concat(chunks).toString()
    const seen = { url: req.url, headers: req.headers, raw, closed: false }
    res.on('close', () => (seen.closed = !res.writableFinished))
    this.requests.push(seen)
    if (req.method === 'GET' && req.url === '/v1/models') {
      return json(res, 200, { object: 'list', data: this.models.map((id) => ({ id, object: 'model', created: 1, owned_by: 'upstream' })) })
    }
    const body = (seen.body = JSON.parse(raw))
    const n = (this.calls[body.model] = this.count(body.model) + 1)
    switch (body.model) {
      case 'broken':
        return json(res, 500, { error: { message: 'boom', type: 'server_error', param: null, code: null } })
      case 'flaky': // twice not, then well
        if (n <= 2) return json(res, 503, { error: { message: 'overloaded', type: 'server_error', param: null, code: null } })
        break
      case 'no-money':
        return json(res, 429, { error: { message: 'You exceeded your current quota', type: 'insufficient_quota', param: null, code: 'insufficient_quota' } })
      case 'bad-key':
        return json(res, 401, { error: { message: 'Incorrect API key provided: sk-up…', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } })
      case 'picky':
        return json(res, 400, { error: { message: 'temperature is too hot', type: 'invalid_request_error', param: 'temperature', code: 'too_hot' } })
    }
    if (req.url === '/v1/embeddings') return this.#embeddings(body, res)
    const usage = this.#usage(body)
    if (body.stream) return this.#stream(body, usage, res)
    this.#report(usage)
    json(res, 200, req.url === '/v1/completions' ? completion(body, usage) : chat(body, usage, this.#called(body)))
  }

  // The tool that is called and its arguments, until there is a result of one.
  #called(body) {
    if (!body.tools || body.tool_choice === 'none' || body.messages.at(-1).role === 'tool') return
    return this.call(body)
  }

  // usage that differs from call to call and has every class of token in it,
  // and never more output than was allowed.
  #usage(body) {
    const n = this.requests.length
    const allowed = body.max_completion_tokens ?? body.max_tokens ?? 1 << 30
    const prompt = 40 + (n % 17)
    const completion = Math.min(7 + (n % 11), allowed)
    return {
      prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion,
      prompt_tokens_details: { cached_tokens: n % 5 },
      completion_tokens_details: { reasoning_tokens: Math.min(n % 3, completion) },
    }
  }

  #report(usage) {
    this.reported.calls++
    this.reported.prompt += usage.prompt_tokens
    this.reported.completion += usage.completion_tokens ?? 0
  }

  #embeddings(body, res) {
    const inputs = Array.isArray(body.input) ? body.input : [body.input]
    const usage = { prompt_tokens: 3 * inputs.length, total_tokens: 3 * inputs.length }
    this.#report(usage)
    const data = inputs.map((text, index) => {
      const v = Float32Array.from([index + 0.5, -0.25, text.length / 1024, 0.1])
      // "floats" is an upstream that does not know encoding_format.
      const embedding = body.encoding_format === 'base64' && body.model !== 'floats' ? Buffer.from(v.buffer).toString('base64') : Array.from(v)
      return { object: 'embedding', index, embedding }
    })
    json(res, 200, { object: 'list', model: body.model, data, usage })
  }

  async #stream(body, usage, res) {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const base = { id: 'chatcmpl-s', object: 'chat.completion.chunk', created: 1, model: body.model }
    const send = (o) => res.write(`data: ${JSON.stringify({ ...base, ...o })}\n\n`)
    const withUsage = body.stream_options?.include_usage
    const choice = (delta, finish = null) => send({ choices: [{ index: 0, delta, finish_reason: finish }], ...(withUsage ? { usage: null } : {}) })
    choice({ role: 'assistant', content: '' })
    if (body.model === 'slow') { // until nobody listens any more
      for (let i = 0; i < 400 && !res.destroyed; i++) {
        choice({ content: `word${i} ` })
        await sleep(25)
      }
    } else if (this.#called(body)) {
      const [name, args] = this.#called(body)
      choice({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name, arguments: '' } }] })
      for (const part of args.match(/.{1,5}/g)) choice({ tool_calls: [{ index: 0, function: { arguments: part } }] })
      choice({}, 'tool_calls')
    } else {
      for (const w of says(body, 'Hello, streamed wörld 🌍').match(/ ?[^ ,]+,?/g)) choice({ content: w })
      choice({}, 'stop')
    }
    if (body.model === 'cut') { // before usage and [DONE], once the rest has left
      await sleep(50)
      return res.destroy()
    }
    if (withUsage && !res.destroyed) {
      this.#report(usage)
      send({ choices: [], usage })
    }
    res.end('data: [DONE]\n\n')
  }
}

function json(res, status, body) {
  const text = JSON.stringify(body)
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  res.end(text)
}

const trip = JSON.stringify({ city: 'Lisboa', days: 3 })

// says is what is said for want of a tool to call.
const says = (body, text) => /^json/.test(body.response_format?.type) ? trip : text

function chat(body, usage, call) {
  const message = call
    ? { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: call[0], arguments: call[1] } }] }
    : { role: 'assistant', content: says(body, 'Hello, wörld 🌍'), refusal: null }
  return {
    id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: body.model, system_fingerprint: 'fp_e2e',
    choices: [{ index: 0, message, finish_reason: call ? 'tool_calls' : 'stop', logprobs: null }], usage,
  }
}

function completion(body, usage) {
  const prompts = Array.isArray(body.prompt) ? body.prompt : [body.prompt]
  return { id: 'cmpl-1', object: 'text_completion', created: 1, model: body.model, usage, choices: prompts.map((p, index) => ({ index, text: ` …${p}`, finish_reason: 'stop', logprobs: null })) }
}
