// What tallygate adds to the time of one request, everything on: key, limits, exact
// prices, a hold and a record on disk. One request at a time over kept connections, to a
// mock upstream directly and through the gateway, in alternating rounds; the result is
// the median of the rounds' medians, as https://github.com/cuihuan/llm-gateway-bench
// measures it for others.
//   go build -o /tmp/tallygate ./cmd/tallygate
//   (cd .ci/e2e && npm ci --ignore-scripts)
//   TALLYGATE_BIN=/tmp/tallygate node .ci/e2e/overhead.mjs
import http from 'node:http'
import { Gate } from './gate.mjs'

const rounds = 7, each = 25, warmUp = 15
const answer = JSON.stringify({
  id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'mock',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello!' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 },
})
const body = JSON.stringify({ model: 'mock', messages: [{ role: 'user', content: 'Hello!' }] })

const upstream = http.createServer((req, res) => {
  req.resume().on('end', () => res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) }).end(answer))
})
await new Promise((ok) => upstream.listen(0, '127.0.0.1', ok))
const { port } = upstream.address()

const g = await Gate.make({ extra: { MOCK_KEY: 'sk-mock-canary-8fK2mQ7x' } })
await g.cli(['providers', 'create', '--name', 'mock', '--kind', 'custom', '--base-url', `http://127.0.0.1:${port}/v1`, '--api-key-env', 'MOCK_KEY', '--no-import'])
await g.cli(['models', 'create', '--provider', 'mock', '--name', 'mock', '--price', 'input=1', '--price', 'output=1'])
await g.cli(['clients', 'update', g.init.client, '--limit', 'requests=100k/minute'])
await g.serve()

const target = (port) => ({ port, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) })
const direct = target(port), through = target(g.port)

// ask sends one request and returns its milliseconds.
const ask = ({ port, agent }) => new Promise((ok, fail) => {
  const from = process.hrtime.bigint()
  const req = http.request({ host: '127.0.0.1', port, agent, method: 'POST', path: '/v1/chat/completions', headers: { authorization: `Bearer ${g.init.key}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (res) => {
    if (res.statusCode !== 200) fail(new Error(`status ${res.statusCode}`))
    res.resume().on('end', () => ok(Number(process.hrtime.bigint() - from) / 1e6))
  })
  req.on('error', fail)
  req.end(body)
})

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]
const round = async (t) => {
  const times = []
  for (let i = 0; i < each; i++) times.push(await ask(t))
  return median(times)
}
for (const t of [direct, through]) for (let i = 0; i < warmUp; i++) await ask(t)
const added = [], base = []
for (let i = 0; i < rounds; i++) {
  const d = await round(direct)
  base.push(d)
  added.push((await round(through)) - d)
}
console.log(`direct ${median(base).toFixed(2)} ms, tallygate adds ${median(added).toFixed(2)} ms`)
for (const t of [direct, through]) t.agent.destroy()
upstream.closeAllConnections()
upstream.close()
await g.close()
