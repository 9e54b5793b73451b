// A coding agent without a terminal, in a home and a folder of its own.
import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

// run runs a command in an empty folder, with these files in it and nothing else in its
// environment but env. It resolves to {code, out, err, dir}; clean deletes the folder.
export async function run(command, args, { env, files = {} }) {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'tallygate-agent-'))
  for (const [name, text] of Object.entries(files)) {
    await fs.mkdir(path.dirname(path.join(dir, name)), { recursive: true })
    await fs.writeFile(path.join(dir, name), text)
  }
  const p = spawn(command, args, { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, TERM: 'dumb', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = '', err = ''
  p.stdout.on('data', (b) => (out += b))
  p.stderr.on('data', (b) => (err += b))
  const code = await new Promise((ok, fail) => p.on('error', fail).on('close', ok))
  return { code, out, err, dir, clean: () => fs.rm(dir, { recursive: true, force: true, maxRetries: 5 }) }
}
