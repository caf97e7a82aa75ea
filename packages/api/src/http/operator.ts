import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Jack } from '../jack.ts'
import type { Check } from '../payments/checks.ts'
import { Archive } from '../store/archive.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { backup } from '../verbs/backup.ts'
import { answerReconcile } from './reconcile.ts'

/** The path of a unix socket may have 107 bytes on Linux and 103 on macOS. */
const mostSocketBytes = 103

/**
 * What only an operator may ask for, on a unix socket in the data directory: who may open that may read everything
 * anyway, and nobody else can reach it. `POST /backup` answers the archive, and then, as a trailer, what is in it;
 * `POST /reconcile` compares books and chain; `POST /doctor` checks what it takes to be paid.
 */
export async function serveOperator(
  jack: Jack,
  dataDir: string,
  it: { openSnapshot(): Promise<Snapshot>; checkPayments(): Promise<Check[]> },
): Promise<Server> {
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://operator')
    const asked = `${req.method} ${pathname}`
    if (asked === 'POST /backup') void answerBackup(jack, it.openSnapshot, res)
    else if (asked === 'POST /reconcile') void answerReconcile(jack, searchParams.get('since'), res)
    else if (asked === 'POST /doctor') void answerDoctor(jack, it.checkPayments, res)
    else res.writeHead(404).end()
  })
  const link = join(dataDir, 'operator.sock')
  const fits = Buffer.byteLength(link) <= mostSocketBytes
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  const path = fits ? link : join(tmpdir(), `jack-${hash}.sock`)
  for (const old of new Set([path, link])) rmSync(old, { force: true })
  server.listen(path)
  await once(server, 'listening')
  chmodSync(path, 0o600)
  if (!fits) symlinkSync(path, link)
  server.on('close', () => {
    if (!fits) rmSync(link, { force: true })
  })
  return server
}

async function answerDoctor(
  jack: Jack,
  checkPayments: () => Promise<Check[]>,
  res: ServerResponse,
): Promise<void> {
  try {
    const checks = await checkPayments()
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ checks }))
  } catch (err) {
    jack.log.error({ err }, 'checking payments failed')
    res.writeHead(500).end()
  }
}

async function answerBackup(
  jack: Jack,
  openSnapshot: () => Promise<Snapshot>,
  res: ServerResponse,
): Promise<void> {
  res.writeHead(200, { 'content-type': 'application/gzip', trailer: 'x-jack-backup' })
  // The trailer goes out with the end, so the end waits until it is known.
  const out = new PassThrough()
  out.pipe(res, { end: false })
  res.on('close', () => out.destroy())
  try {
    const report = await backup(jack, openSnapshot, new Archive(out, jack.scratchDir))
    for (const sha256 of report.lost) jack.log.error({ sha256 }, 'a blob is lost: no backup has it')
    res.addTrailers({ 'x-jack-backup': JSON.stringify({ ...report, lost: report.lost.length }) })
    res.end()
    jack.log.info(report, 'backup made')
  } catch (err) {
    jack.log.error({ err }, 'backup failed')
    // Without its end nobody takes it for a whole one.
    res.destroy()
  }
}
