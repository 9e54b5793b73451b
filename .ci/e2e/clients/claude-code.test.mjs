// Claude Code without a terminal, configured as the guide says: "tallygate help claude-code".
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import { Stage, badKey, usedUp } from '../stage.mjs'
import { blockOf } from '../guide.mjs'
import { run } from './agent.mjs'

const claude = path.resolve(import.meta.dirname, `node_modules/@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude`)
let s

before(async () => (s = await Stage.open('claude-opus-5-5', 'gpt-4o-mini')))
after(() => s.close())

const ask = (model, key = s.key, ...more) => run(claude, ['-p', 'Do it.', ...more], {
  env: { ANTHROPIC_BASE_URL: s.origin, ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_MODEL: model },
})

for (const model of ['claude-opus-5-5', 'gpt-4o-mini']) {
  test(`${model}: a command is run, and the answer told`, async () => {
    s.up.call = () => ['Bash', JSON.stringify({ command: 'echo from-the-tool', description: 'Says it' })]
    const r = await s.booked('messages', 2, () => ask(model))
    assert.equal(r.code, 0, r.err)
    assert.equal(r.out.trim(), 'Hello, streamed wörld 🌍')
    assert.match(s.up.last(model).body.messages.at(-1).content, /from-the-tool/)
    await r.clean()
  })
}

test('the variables of the guide are those', async () => {
  const names = [...(await blockOf('claude-code', 'sh', s, 1)).matchAll(/^export (\w+)=/gm)].map((m) => m[1])
  assert.deepEqual(names, ['ANTHROPIC_BASE_URL', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_MODEL'])
})

test('a stream that breaks off ends it', async () => {
  s.up.call = () => undefined
  const r = await ask('cut')
  assert.notEqual(r.code, 0, r.out)
  assert.match(r.out, /API Error: Server error mid-response/)
  await r.clean()
})

test('it tells what the gate counted', async () => {
  s.up.call = () => undefined
  const r = await s.booked('messages', 1, () => ask('claude-opus-5-5', s.key, '--output-format', 'json'))
  const { usage, is_error } = JSON.parse(r.out)
  const [rec] = await s.g.json(['requests', 'list', '--limit', '1'])
  assert.equal(is_error, false)
  assert.deepEqual([usage.input_tokens + usage.cache_read_input_tokens, usage.output_tokens], [rec.input_tokens, rec.output_tokens])
  await r.clean()
})

test('a budget that is used up, a wrong key and an unknown model end it', async () => {
  s.up.call = () => undefined
  const spend = (key) => ask('claude-opus-5-5', key).then((r) => (assert.equal(r.code, 0, r.err + r.out), r.clean()))
  for (const [model, key, says] of [['claude-opus-5-5', await s.spent(spend), usedUp], ['claude-opus-5-5', badKey, /key/i], ['claude-none', s.key, /claude-none/]]) {
    const asked = s.up.requests.length
    const r = await ask(model, key)
    assert.notEqual(r.code, 0, r.out)
    assert.match(r.out + r.err, says)
    assert.equal(s.up.requests.length, asked)
    await r.clean()
  }
})
