import { once } from 'node:events'
import { existsSync, linkSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** What passes by: requests to the chain, statements to the database, answers to clients. */
export type Gate = 'chain' | 'database' | 'answer'

/** A moment between two steps of the server, told by what it asks of others or answers. */
export interface Point {
  name: string
  gate: Gate
  /** Of a request to the chain, of all statements of a transaction so far, or of the request that is answered. */
  passes: RegExp
  /** Whether it dies before that is carried out, or after it and before anybody hears of it. */
  side: 'before' | 'after'
}

export interface Caught {
  side: Point['side']
  spring(): void
}

/** Waits for one point, and springs when the server comes to it: from then on it hears nothing until it dies. */
export class Trap {
  #armed: { point: Point; spring: () => void } | undefined

  set(point: Point, spring: () => void): void {
    this.#armed = { point, spring }
  }

  remove(): void {
    this.#armed = undefined
  }

  waitsFor(gate: Gate): boolean {
    return this.#armed?.point.gate === gate
  }

  catches(gate: Gate, text: string): Caught | undefined {
    const armed = this.#armed
    if (armed?.point.gate !== gate || !armed.point.passes.test(text)) return undefined
    this.#armed = undefined
    return { side: armed.point.side, spring: armed.spring }
  }
}

/** While it is `away` it is as if nobody was there. */
export interface Closable {
  away: boolean
  close(): void
}

/** Stands before the RPC of a chain. */
export async function chainGate(target: string, trap: Trap): Promise<Closable & { url: string }> {
  const server = createHttpServer(async (request, response) => {
    try {
      const body = await text(request)
      if (gate.away) return void response.destroy()
      const caught = trap.catches('chain', body)
      if (caught?.side === 'before') return caught.spring()
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(target, { method: 'POST', headers, body })
      const said = await answer.text()
      if (caught) return caught.spring()
      response.writeHead(answer.status, headers).end(said)
    } catch {
      response.destroy()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const gate = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    away: false,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return gate
}

/** Stands before the socket of a Postgres, also after that was started anew. */
export async function databaseGate(folder: string, trap: Trap): Promise<Closable> {
  const front = join(folder, '.s.PGSQL.5432')
  const behind = join(folder, 'behind')
  const own = join(folder, 'gate')
  const passing = new Set<Socket>()
  let away = false
  const server = createServer((client) => {
    if (away) return void client.destroy()
    passing.add(client.on('close', () => passing.delete(client)))
    pass(client, connect(behind), trap)
  })
  server.listen(own)
  await once(server, 'listening')
  const { ino } = statSync(own)
  // A Postgres that starts puts its socket where ours is.
  const stepIn = () => {
    const found = statSync(front, { throwIfNoEntry: false })
    if (!found || found.ino === ino) return
    renameSync(front, behind)
    linkSync(own, front)
  }
  stepIn()
  const watching = setInterval(stepIn, 5)
  return {
    get away() {
      return away
    },
    set away(isAway) {
      away = isAway
      if (away) for (const client of passing) client.destroy()
    },
    close() {
      clearInterval(watching)
      server.close()
      if (existsSync(behind)) renameSync(behind, front)
      rmSync(own, { force: true })
    },
  }
}

function pass(client: Socket, database: Socket, trap: Trap): void {
  const end = () => {
    client.destroy()
    database.destroy()
  }
  for (const socket of [client, database]) socket.on('error', end).on('close', end)
  /** What was said since the transaction began. */
  let said = ''
  let caught: Caught | undefined
  client.on('data', (chunk: Buffer) => {
    if (caught) return
    said += chunk.toString('latin1')
    caught = trap.catches('database', said)
    if (caught?.side === 'before') caught.spring()
    else database.write(chunk)
  })
  database.on('data', (chunk: Buffer) => {
    const status = readyIn(chunk)
    if (status === 'I') said = ''
    if (!caught) client.write(chunk)
    else if (status && caught.side === 'after') caught.spring()
  })
}

/** Of a chunk that ends with ReadyForQuery: `I` outside of a transaction, `T` or `E` within. */
function readyIn(chunk: Buffer): string | undefined {
  const tail = chunk.subarray(-6)
  const isReady = tail.length === 6 && tail.readUInt8(0) === 0x5a && tail.readUInt32BE(1) === 5
  return isReady ? String.fromCharCode(tail.readUInt8(5)) : undefined
}
