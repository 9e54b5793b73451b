// A server's months in a minute: load, callers who leave, refusals, reloads, backups, changes of
// what is set, guests over ssh, tails and upgrades, over and over. Then it is left alone, and
// must have no more goroutines, files and memory than when it was warm.
//
//   node .ci/soak.mjs BINARY [SECONDS]
import { spawn } from 'node:child_process'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Load } from './e2e/load.mjs'
import { freePort, sleep, until } from './e2e/ports.mjs'

const [binary, seconds = '45'] = process.argv.slice(2)
assert.ok(binary, 'name the program')
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'tallygate-soak-'))
const data = path.join(work, 'data'), program = path.join(work, 'tallygate')
fs.copyFileSync(binary, program) // upgrades replace it
const port = await freePort(), figures = await freePort(), sshPort = await freePort()
const env = { PATH: process.env.PATH, HOME: work, TALLYGATE_DATA: data }
let served
process.on('exit', () => {
  served?.kill('SIGKILL')
  fs.rmSync(work, { recursive: true, force: true })
})

// sh runs a command while the load goes on, and wants it to succeed.
async function sh(command, ...args) {
  const p = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = '', err = ''
  p.stdout.on('data', (b) => (out += b))
  p.stderr.on('data', (b) => (err += b))
  const code = await new Promise((ok, fail) => p.on('error', fail).on('close', ok))
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${err}`)
  return out
}
const run = (...args) => sh(program, ...args)

await run('init', '--yes')
await sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', `${work}/id`)
await run('ssh', 'add', 'me', '--role', 'owner', '--key-file', `${work}/id.pub`)
served = spawn(program, ['serve', '--listen', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${figures}`, '--ssh', `127.0.0.1:${sshPort}`, '--log-file', `${work}/log`, '--access-log'], { env, stdio: 'ignore' })
const exited = new Promise((ok) => served.on('close', (code) => ok(code)))
await until('it serves', () => fetch(`http://127.0.0.1:${port}/readyz`).then((r) => r.ok, () => false), 20_000)
await run('clients', 'create', '--name', 'Load')
const { key } = JSON.parse(await run('keys', 'create', '--client', 'load', '--label', 'load', '--json'))

async function measure() {
  const text = await (await fetch(`http://127.0.0.1:${figures}/metrics`)).text()
  const figure = (name) => Number(text.match(new RegExp(`^${name} (.*)$`, 'm'))?.[1])
  const is = { goroutines: figure('go_goroutines'), files: figure('process_open_fds'), memory: figure('process_resident_memory_bytes') / 1e6, heap: figure('go_memstats_heap_inuse_bytes') / 1e6 }
  for (const [name, n] of Object.entries(is)) assert.ok(n > 0, `no figure of ${name}:\n${text.slice(0, 400)}`)
  return is
}

const ssh = ['-p', sshPort, '-i', `${work}/id`, '-o', 'IdentitiesOnly=yes', '-o', `UserKnownHostsFile=${work}/known`, '-o', 'StrictHostKeyChecking=accept-new', '-o', 'LogLevel=ERROR', '-F', 'none', 'me@127.0.0.1']
const tails = []
let rounds = 0
async function round() {
  rounds++
  served.kill('SIGHUP')
  const tail = spawn(program, ['requests', 'tail'], { env, stdio: 'ignore' })
  tails.push(tail)
  await sleep(150)
  await sh('ssh', ...ssh, 'clients list')
  await run('backup', 'create', '--to', `${work}/backups`)
  for (const f of fs.readdirSync(`${work}/backups`)) fs.rmSync(path.join(work, 'backups', f))
  await run('clients', 'update', 'load', '--limit', `requests=${1_000_000 + rounds}/month`)
  await run('verify')
  await fetch(`http://127.0.0.1:${port}/v1/models`, { headers: { authorization: 'Bearer nobody' } }).then((r) => r.text())
  tail.kill()
  if (rounds % 3 === 0) {
    fs.copyFileSync(program, `${program}.new`)
    fs.renameSync(`${program}.new`, program)
    await run('upgrade')
  }
  await sleep(100)
}

// left alone, it lets go of what its callers had
async function quiet() {
  await sleep(4000)
  return measure()
}

let load = new Load(port, key, { leave: true })
for (let i = 0; i < 4; i++) await round()
await load.end()
const warm = await quiet()
console.log('warm ', warm)

load = new Load(port, key, { leave: true })
for (const end = Date.now() + Number(seconds) * 1000; Date.now() < end;) await round()
await load.end()
assert.deepEqual(load.failed, [])
const is = await quiet()
console.log('after', is, `${rounds} rounds, ${load.acknowledged.length} answers, ${load.left} callers left`)

assert.ok(is.goroutines <= warm.goroutines + 12, 'goroutines are left')
assert.ok(is.files <= warm.files + 12, 'files are left open')
assert.ok(is.memory <= warm.memory * 1.3 + 24, 'memory is left')
assert.match(await run('verify'), /All counters and rollups are the sums of the records/)
served.kill('SIGTERM')
assert.equal(await exited, 0)
process.exit(0)
