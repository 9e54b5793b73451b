// The programs of guides: their blocks, with a gate of ours in place of the standard address.
import { execFile } from 'node:child_process'
import fs from 'node:fs/promises'
import path from 'node:path'

// blockOf is a block of a kind in a guide, the first if no other is named.
export async function blockOf(guide, kind, s, n = 0) {
  const text = await fs.readFile(new URL(`../../assets/docs/${guide}.md`, import.meta.url), 'utf8')
  const [, block] = [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))][n]
  return block.replaceAll('http://127.0.0.1:4283', s.origin)
}

// runBlock runs the JavaScript of a guide with the packages of a folder, and resolves to
// what it prints.
export async function runBlock(guide, s, folder) {
  const file = path.join(folder, `${guide}.guide.mjs`)
  await fs.writeFile(file, await blockOf(guide, 'js', s))
  try {
    return await new Promise((ok, fail) => execFile(process.execPath, [file], { env: { ...process.env, TALLYGATE_KEY: s.key } }, (e, out) => (e ? fail(e) : ok(out))))
  } finally {
    await fs.rm(file)
  }
}
