// The README, pasted block by block into a shell of a machine where nothing is set up: a
// copy of the repository, an empty home, no data. Each block of sh must succeed, each line
// of the block of text behind it must stand in what it printed ("…" is anything, blanks
// are alike), and the program in JavaScript must run.
import { test, before, after } from 'node:test'
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { freePort, until } from './gate.mjs'

const root = path.resolve('../..')
// What other tests do: the demo wants a terminal (cmd/tallygate.TestDemoLeavesNothingBehind), and .ci/run
// runs the tests and makes the packages.
const elsewhere = ['tallygate demo', 'go test ./...', 'bash .ci/packages']
const address = '127.0.0.1:4283'
let home, port, readme, shell

before(async () => {
  home = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-readme-'))
  execFileSync('bash', ['-c', 'git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T - 2>/dev/null | tar -xf - -C "$0"', home], { cwd: root })
  port = await freePort()
  readme = await fs.readFile(path.join(root, 'README.md'), 'utf8')
  const go = (name) => execFileSync('go', ['env', name], { encoding: 'utf8' }).trim()
  const env = { PATH: process.env.PATH, HOME: home, TALLYGATE_LISTEN: `127.0.0.1:${port}`, GOCACHE: go('GOCACHE'), GOMODCACHE: go('GOMODCACHE'), GOPROXY: go('GOPROXY'), GOTOOLCHAIN: 'local', TZ: 'UTC', TERM: 'xterm-256color' }
  shell = new Shell(env)
})
after(async () => {
  await shell?.close()
  await fs.rm(home, { recursive: true, force: true, maxRetries: 5 })
})

// Shell is one bash that is given block after block, as somebody pastes them.
class Shell {
  said = ''
  constructor(env) {
    this.proc = spawn('bash', ['-e'], { cwd: home, env, stdio: ['pipe', 'pipe', 'pipe'] })
    for (const s of [this.proc.stdout, this.proc.stderr]) s.on('data', (b) => (this.said += b))
    this.ended = new Promise((ok) => this.proc.on('close', ok))
    this.proc.on('exit', () => (this.gone = true))
  }

  // run returns what a block prints.
  async run(block) {
    this.said = ''
    const mark = `done-${Math.random()}`
    this.proc.stdin.write(`${block}\necho ${mark}\n`)
    await until(block, () => this.said.includes(mark) || this.gone, 200_000)
    assert.ok(this.said.includes(mark), `fails:\n${block}\n${this.said}`)
    return this.said.replace(mark, '').replaceAll(`127.0.0.1:${port}`, address)
  }

  async close() {
    if (!this.gone) this.proc.stdin.end('kill $(jobs -p) || true; wait\n')
    await this.ended
  }
}

const blank = (line) => line.trim().split(/\s+/).join(' ')
const quoted = (text) => text.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

test('the README works in its order', async () => {
  let ran = 0, said = ''
  for (const [, kind, text] of readme.matchAll(/^```(sh|text|js)\n([\s\S]*?)^```$/gm)) {
    const here = text.replaceAll(address, `127.0.0.1:${port}`).trim()
    if (kind === 'text') {
      for (const line of text.trim().split('\n')) {
        const form = new RegExp(line.split('…').map((part) => quoted(blank(part))).join('.*'))
        assert.ok(said.split('\n').some((l) => form.test(blank(l))), `does not say: ${line}\n${said}`)
      }
    } else if (kind === 'js') {
      await fs.symlink(path.join(root, '.ci/e2e/node_modules'), path.join(home, 'node_modules'))
      await fs.writeFile(path.join(home, 'snippet.mjs'), here)
      assert.match(await shell.run('node snippet.mjs'), /pretend model sim-small/)
      ran++
    } else if (!elsewhere.includes(here)) {
      said = await shell.run(here)
      ran++
      if (/ serve &$/.test(here)) await until('it serves', async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => ({}))).ok)
    }
  }
  assert.ok(ran >= 8, `only ${ran} blocks`)
})
