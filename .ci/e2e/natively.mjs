// A scripted upstream that has messages and responses beside chat completions, and says
// in each what the others say. It refuses what their makers refuse, and keeps what it was
// sent. The end of a model's name says what goes wrong: with "picky" the prompt, with
// "fails" and "cut" a stream, which ends in an error or not at all; asked for the whole
// instead, it refuses.
import http from 'node:http'

export const text = 'Hello, wörld 🌍'
export const args = { city: 'Lisboa', days: 3 }
const pieces = (s) => s.match(/[^]{1,5}/gu)
const events = { '/v1/messages': messageEvents, '/v1/responses': responseEvents, '/v1/chat/completions': chatEvents }

export const first = (tools) => [tools[0].name ?? tools[0].function.name, args]

export class Natively {
  requests = [] // {path, headers, raw, body, refused}
  call = first // which tool is called, and its arguments

  static async start() {
    const u = new Natively()
    u.server = http.createServer(async (req, res) => {
      const chunks = []
      for await (const c of req) chunks.push(c)
      const raw = Buffer.concat(chunks).toString()
      const seen = { path: req.url.split('?')[0], headers: req.headers, raw, body: JSON.parse(raw) }
      u.requests.push(seen)
      const say = { '/v1/messages': message, '/v1/responses': response, '/v1/chat/completions': chat }[seen.path]
      const b = seen.body
      const [, wrong] = b.model.match(/-(picky|fails|cut)$/) ?? []
      const picky = wrong === 'picky' ? { message: 'temperature is too hot', param: 'temperature' } : wrong && !b.stream ? { message: 'Overloaded midway' } : objection(seen.path, b)
      if ((seen.refused = picky)) {
        const { details, param = null, message } = picky
        const error = { type: 'invalid_request_error', message, ...(seen.path === '/v1/messages' ? details && { details } : { param, code: null }) }
        res.writeHead(400, { 'content-type': 'application/json', 'request-id': 'req_up_1' })
        return res.end(JSON.stringify(seen.path === '/v1/messages' ? { type: 'error', error, request_id: 'req_up_1' } : { error }))
      }
      const whole = say(b, !/tool_result|_call_output"|"role":"tool"/.test(raw) && b.tools?.length && u.call(b.tools))
      if (!b.stream) {
        res.writeHead(200, { 'content-type': 'application/json', 'request-id': 'req_up_1' })
        return res.end(JSON.stringify(whole))
      }
      res.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_up_1' })
      let n = 0
      const write = ([type, data]) => res.write(type ? `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: n++, ...data })}\n\n` : `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`)
      const all = [...events[seen.path](whole)]
      for (const e of wrong ? all.slice(0, all.length / 2) : all) write(e)
      if (wrong === 'fails') for (const e of failures[seen.path](whole)) write(e)
      if (wrong === 'cut') return setTimeout(() => res.destroy(), 50) // once the rest has left
      res.end()
    })
    await new Promise((ok) => u.server.listen(0, '127.0.0.1', ok))
    u.base = `http://127.0.0.1:${u.server.address().port}/v1`
    return u
  }

  get last() {
    return this.requests.at(-1)
  }

  async stop() {
    this.server.closeAllConnections()
    await new Promise((ok) => this.server.close(ok))
  }
}

const failures = {
  '/v1/messages': () => [['error', { error: { type: 'overloaded_error', message: 'Overloaded midway' } }]],
  '/v1/responses': (r) => [
    ['error', { code: 'server_error', message: 'Overloaded midway', param: null }],
    ['response.failed', { response: { ...r, status: 'failed', error: { code: 'server_error', message: 'Overloaded midway' }, output: [] } }],
  ],
  '/v1/chat/completions': () => [[null, { error: { message: 'Overloaded midway', type: 'server_error', param: null, code: null } }]],
}

const fields = {
  '/v1/messages': 'model max_tokens messages system tools tool_choice stream thinking metadata stop_sequences service_tier output_config output_format cache_control context_management temperature top_p top_k thread speed container mcp_servers inference_geo diagnostics',
  '/v1/chat/completions': 'model messages max_tokens max_completion_tokens temperature top_p n stop stream stream_options tools tool_choice parallel_tool_calls response_format reasoning_effort verbosity seed user metadata store logprobs top_logprobs logit_bias presence_penalty frequency_penalty service_tier prompt_cache_key safety_identifier modalities audio prediction',
}

// objection is what is wrong with a request, {message, details}; undefined for nothing.
function objection(path, b) {
  const extra = fields[path] && Object.keys(b).find((k) => !fields[path].split(' ').includes(k))
  if (extra) return { message: `${extra}: Extra inputs are not permitted` }
  if (path === '/v1/messages') return messagesObjection(b)
  if (path === '/v1/responses') return
  let open = []
  for (const m of b.messages) {
    if (m.role === 'tool') {
      if (!open.includes(m.tool_call_id)) return { message: `no tool_call ${m.tool_call_id} precedes` }
      open = open.filter((id) => id !== m.tool_call_id)
    } else if (open.length) return { message: `tool_call_ids did not have response messages: ${open}` }
    else open = m.tool_calls?.map((c) => c.id) ?? []
  }
}

function messagesObjection(b) {
  const { thinking: t } = b
  if (b.thread) return { message: 'no threads here', details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] } }
  if (!(b.max_tokens > 0)) return { message: 'max_tokens: Field required' }
  if (t?.type === 'enabled' && !(t.budget_tokens >= 1024 && t.budget_tokens < b.max_tokens)) return { message: '`max_tokens` must be greater than `thinking.budget_tokens`' }
  if (t && t.type !== 'disabled' && ((b.temperature ?? 1) !== 1 || ['any', 'tool'].includes(b.tool_choice?.type))) return { message: 'not allowed when thinking is enabled' }
  let open = []
  for (const m of b.messages) {
    const blocks = typeof m.content === 'string' ? [] : m.content
    const ids = (type, key) => blocks.filter((c) => c.type === type).map((c) => c[key])
    if (String(ids('tool_result', 'tool_use_id')) !== String(open)) return { message: `\`tool_use\` ids without \`tool_result\` blocks immediately after: ${open}` }
    open = ids('tool_use', 'id')
    if (open.length && t?.type === 'enabled' && blocks[0].type !== 'thinking') return { message: 'Expected `thinking`, but found `tool_use`' }
    if (blocks.some((c) => c.type === 'thinking' && c.signature !== 'c2ln')) return { message: 'Invalid `signature` in `thinking` block' }
  }
}

// says is what is said for want of a tool to call. Who has no tools may want JSON, by a
// format or in words.
const says = (b) => !b.tools?.length && /"json_(schema|object)"|JSON/.test(JSON.stringify(b)) ? JSON.stringify(args) : text

function message(b, tool) {
  const content = tool ? [{ type: 'tool_use', id: 'toolu_1', name: tool[0], input: tool[1] }] : [{ type: 'text', text: says(b) }]
  if (b.thinking && b.thinking.type !== 'disabled') content.unshift({ type: 'thinking', thinking: 'Let me think.', signature: 'c2ln' })
  return {
    id: 'msg_1', type: 'message', role: 'assistant', model: b.model, content, stop_reason: tool ? 'tool_use' : 'end_turn', stop_sequence: null,
    usage: { input_tokens: 40, cache_creation_input_tokens: 5, cache_read_input_tokens: 12, cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 0 }, output_tokens: 9, service_tier: 'standard' },
  }
}

function* messageEvents(m) {
  yield ['message_start', { message: { ...m, content: [], stop_reason: null, usage: { ...m.usage, output_tokens: 1 } } }]
  for (const [index, c] of m.content.entries()) {
    const delta = (d) => ['content_block_delta', { index, delta: d }]
    yield ['content_block_start', { index, content_block: { thinking: { ...c, thinking: '', signature: '' }, tool_use: { ...c, input: {} }, text: { ...c, text: '' } }[c.type] }]
    yield ['ping', {}]
    if (c.type === 'thinking') {
      for (const thinking of pieces(c.thinking)) yield delta({ type: 'thinking_delta', thinking })
      yield delta({ type: 'signature_delta', signature: c.signature })
    } else if (c.type === 'tool_use') {
      for (const partial_json of pieces(JSON.stringify(c.input))) yield delta({ type: 'input_json_delta', partial_json })
    } else {
      for (const text of pieces(c.text)) yield delta({ type: 'text_delta', text })
    }
    yield ['content_block_stop', { index }]
  }
  yield ['message_delta', { delta: { stop_reason: m.stop_reason, stop_sequence: null }, usage: { output_tokens: m.usage.output_tokens } }]
  yield ['message_stop', {}]
}

function response(b, tool) {
  const item = tool
    ? { id: 'fc_1', type: 'function_call', status: 'completed', call_id: 'call_1', name: tool[0], arguments: JSON.stringify(tool[1]) }
    : { id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: says(b), annotations: [], logprobs: [] }] }
  return {
    id: 'resp_1', object: 'response', created_at: 1700000000, status: 'completed', error: null, incomplete_details: null, instructions: b.instructions ?? null, model: b.model, output: [item],
    parallel_tool_calls: true, text: { format: { type: 'text' } }, tool_choice: 'auto', tools: b.tools ?? [], metadata: {}, temperature: 1, top_p: 1,
    usage: { input_tokens: 57, input_tokens_details: { cached_tokens: 12 }, output_tokens: 9, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 66 },
  }
}

function* responseEvents(r) {
  const [item] = r.output
  const begun = { ...r, status: 'in_progress', output: [], usage: null }
  yield ['response.created', { response: begun }]
  yield ['response.in_progress', { response: begun }]
  const at = { item_id: item.id, output_index: 0 }
  if (item.type === 'function_call') {
    yield ['response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', arguments: '' } }]
    for (const delta of pieces(item.arguments)) yield ['response.function_call_arguments.delta', { ...at, delta }]
    yield ['response.function_call_arguments.done', { ...at, name: item.name, arguments: item.arguments }]
  } else {
    const [part] = item.content
    yield ['response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', content: [] } }]
    yield ['response.content_part.added', { ...at, content_index: 0, part: { ...part, text: '' } }]
    for (const delta of pieces(part.text)) yield ['response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] }]
    yield ['response.output_text.done', { ...at, content_index: 0, text: part.text, logprobs: [] }]
    yield ['response.content_part.done', { ...at, content_index: 0, part }]
  }
  yield ['response.output_item.done', { output_index: 0, item }]
  yield ['response.completed', { response: r }]
}

function chat(b, tool) {
  const message = tool
    ? { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: tool[0], arguments: JSON.stringify(tool[1]) } }] }
    : { role: 'assistant', content: says(b), refusal: null }
  return {
    id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: b.model, choices: [{ index: 0, message, finish_reason: tool ? 'tool_calls' : 'stop', logprobs: null }],
    usage: { prompt_tokens: 57, completion_tokens: 9, total_tokens: 66, prompt_tokens_details: { cached_tokens: 12 } },
  }
}

function* chatEvents(c) {
  const event = (delta, finish_reason = null) => [null, { ...c, object: 'chat.completion.chunk', usage: null, choices: [{ index: 0, delta, finish_reason }] }]
  const { message: m, finish_reason } = c.choices[0]
  yield event({ role: 'assistant', content: '' })
  if (m.content) for (const content of pieces(m.content)) yield event({ content })
  else yield event({ tool_calls: m.tool_calls.map((t, index) => ({ index, ...t })) })
  yield event({}, finish_reason)
  yield [null, { ...c, object: 'chat.completion.chunk', choices: [] }]
  yield [null, '[DONE]']
}
