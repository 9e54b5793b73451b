// n8n itself: a server of its own in a temporary folder, driven as its editor drives it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { freePort, until } from '../gate.mjs'

const { parse } = createRequire(import.meta.url)('flatted') // n8n keeps executions in it

export class N8n {
  log = ''

  static async start() {
    const n = new N8n()
    n.dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-n8n-'))
    const port = await freePort()
    n.origin = `http://127.0.0.1:${port}`
    // It is alone: nothing is told to its makers, or asked of them.
    const off = ['DIAGNOSTICS', 'VERSION_NOTIFICATIONS', 'TEMPLATES', 'LICENSE_AUTO_RENEW', 'RUNNERS'].map((what) => [`N8N_${what}_ENABLED`, 'false'])
    n.proc = spawn(process.execPath, [path.resolve(import.meta.dirname, 'node_modules/n8n/bin/n8n'), 'start'], {
      cwd: n.dir,
      env: { PATH: process.env.PATH, HOME: n.dir, N8N_USER_FOLDER: n.dir, N8N_LISTEN_ADDRESS: '127.0.0.1', N8N_PORT: port, ...Object.fromEntries(off) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    process.on('exit', () => n.proc.kill())
    n.proc.stdout.on('data', (b) => (n.log += b))
    n.proc.stderr.on('data', (b) => (n.log += b))
    n.exited = new Promise((ok) => n.proc.on('close', ok))
    await until('n8n is ready', async () => {
      assert.equal(n.proc.exitCode, null, `n8n ended:\n${n.log}`)
      const settings = await fetch(`${n.origin}/rest/settings`).catch(() => undefined)
      return settings?.headers.get('content-type')?.includes('json')
    }, 120_000)
    await n.rest('owner/setup', { email: 'it@aurora.example', firstName: 'Aurora', lastName: 'Hotel', password: 'Pretend-1' })
    return n
  }

  // rest asks what the editor asks. It resolves to the answer's data.
  async rest(what, body, method = body ? 'POST' : 'GET') {
    const res = await fetch(`${this.origin}/rest/${what}`, { method, headers: { 'content-type': 'application/json', cookie: this.cookie ?? '' }, body: body && JSON.stringify(body) })
    this.cookie ??= res.headers.getSetCookie()[0]?.split(';')[0]
    const said = await res.text()
    assert.ok(res.ok, `${what}: ${res.status} ${said}`)
    return JSON.parse(said).data
  }

  // credentials makes those for a gate, and resolves to how nodes name them.
  async credentials(origin, apiKey) {
    const made = {}
    for (const [type, url] of Object.entries({ openAiApi: `${origin}/v1`, anthropicApi: origin })) {
      const { id, name } = await this.rest('credentials', { name: type, type, data: { apiKey, url } })
      made[type] = { [type]: { id, name } }
    }
    return made
  }

  // check resolves to what the editor says of a credential, {status, message}, when it is saved.
  async check(credential) {
    const [[type, { id, name }]] = Object.entries(credential)
    const { data } = await this.rest(`credentials/${id}?includeData=true`)
    return this.rest('credentials/test', { credentials: { id, name, type, data } })
  }

  // models resolves to the names that the editor has in a node's list of models.
  async models({ type, typeVersion, parameters, credentials }) {
    const { results } = await this.rest('dynamic-node-parameters/resource-locator-results', {
      path: 'parameters.model', methodName: /openAi$/.test(type) ? 'modelSearch' : 'searchModels', nodeTypeAndVersion: { name: type, version: typeVersion }, currentNodeParameters: parameters, credentials,
    })
    return results.map((r) => r.value)
  }

  // workflow makes one of a chat that anyone may write to, a root node, and what hangs on
  // it, each [kind of connection, node].
  async workflow(root, under, options) {
    const chat = { name: 'When chat message received', type: '@n8n/n8n-nodes-langchain.chatTrigger', typeVersion: 1.4, parameters: { public: true, mode: 'webhook', options }, webhookId: crypto.randomUUID() }
    const wires = [['main', chat], ...under]
    const { id, versionId } = await this.rest('workflows', {
      name: root.name, settings: { executionOrder: 'v1' }, active: false,
      connections: Object.fromEntries(wires.map(([type, { name }]) => [name, { [type]: [[{ node: root.name, type, index: 0 }]] }])),
      nodes: [root, ...wires.map(([, node]) => node)].map((node, i) => ({ id: crypto.randomUUID(), position: [200 * i, 0], ...node })),
    })
    await this.rest(`workflows/${id}`, { active: true, versionId }, 'PATCH')
    return { id, url: `${this.origin}/webhook/${chat.webhookId}/chat` }
  }

  // say writes to a workflow's chat, once. It resolves to {said, run}: what the chat answers,
  // and each node's runs as the editor shows them. What failed is rejected as it shows that.
  async say({ id, url }) {
    const res = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ action: 'sendMessage', sessionId: id, chatInput: 'How much is 123 * 457?' }) })
    const said = await res.text()
    const filter = encodeURIComponent(JSON.stringify({ workflowId: id }))
    const { id: execution, status } = await until('the execution is over', async () => (await this.rest(`executions?filter=${filter}`)).results.find((e) => e.stoppedAt))
    const { error, runData } = parse((await this.rest(`executions/${execution}`)).data).resultData
    if (status !== 'success') throw Object.assign(new Error(error.message), error)
    return { said, run: runData }
  }

  async stop() {
    this.proc.kill('SIGTERM')
    await this.exited
    await fs.rm(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }
}
