// Codex without a terminal, configured as the guide says: "tallygate help codex".
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import path from 'node:path'
import { Stage, badKey } from '../stage.mjs'
import { blockOf } from '../guide.mjs'
import { run } from './agent.mjs'

const codex = path.resolve(import.meta.dirname, 'node_modules/@openai/codex/bin/codex.js')
let s, config

before(async () => {
  s = await Stage.open('gpt-5.5', 'gpt-4o-mini')
  config = await blockOf('codex', 'toml', s)
  assert.match(config, /sim-small/)
})
after(() => s.close())

const exec = (model, key = s.key, ...more) => run(process.execPath, [codex, 'exec', '--skip-git-repo-check', ...more, 'Do it.'], {
  env: { TALLYGATE_KEY: key }, files: { '.codex/config.toml': config.replace('sim-small', model) },
})

// Names that Codex knows are asked otherwise than names that it does not.
for (const model of ['gpt-5.5', 'gpt-4o-mini']) {
  test(`${model}: a command is run, and the answer told`, async () => {
    s.up.call = () => ['exec_command', JSON.stringify({ cmd: 'echo from-the-tool' })]
    const r = await s.booked('responses', 2, () => exec(model))
    assert.equal(r.code, 0, r.err)
    assert.equal(r.out.trim(), 'Hello, streamed wörld 🌍')
    assert.match(s.up.last(model).body.messages.at(-1).content, /from-the-tool/)
    await r.clean()
  })
}

// The patch is a tool of a kind that chat completions do not have.
test('a patch is applied', async () => {
  const patch = '*** Begin Patch\n*** Add File: made.txt\n+by the tool\n*** End Patch\n'
  s.up.call = (body) => {
    const { function: f } = body.tools.find((t) => t.function.name === 'apply_patch')
    return ['apply_patch', JSON.stringify({ [Object.keys(f.parameters.properties)[0]]: patch })]
  }
  const r = await s.booked('responses', 2, () => exec('gpt-5.5', s.key, '--sandbox', 'danger-full-access'))
  assert.equal(r.code, 0, r.err)
  assert.equal(await fs.readFile(path.join(r.dir, 'made.txt'), 'utf8'), 'by the tool\n')
  await r.clean()
})

test('a stream that breaks off ends it, after some more attempts', async () => {
  s.up.call = () => undefined
  const r = await exec('cut')
  assert.notEqual(r.code, 0, r.err)
  assert.match(r.err, /stream disconnected before completion: Provider "up"/)
  await r.clean()
})

test('a budget that is used up, a wrong key and an unknown model end it', async () => {
  s.up.call = () => undefined
  const spend = (key) => exec('gpt-5.5', key).then((r) => (assert.equal(r.code, 0, r.err), r.clean()))
  // Of a quota Codex speaks in its own words.
  for (const [model, key, says] of [['gpt-5.5', await s.spent(spend), /Quota exceeded/], ['gpt-5.5', badKey, /its checksum does not match/], ['gpt-none', s.key, /There is no model "gpt-none" here/]]) {
    const asked = s.up.requests.length
    const r = await exec(model, key)
    assert.notEqual(r.code, 0, r.err)
    assert.match(r.err, says)
    assert.equal(s.up.requests.length, asked)
    await r.clean()
  }
})
