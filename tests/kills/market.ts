import { setTimeout as sleep } from 'node:timers/promises'
import { live } from '../harness.ts'
import { type Buyer, buy, type Kind, Lost, lostOr, newBuyer } from './buyers.ts'
import type { MortalCloud } from './cloud.ts'
import { type Action, type Step, steps } from './points.ts'
import { deployment, execution, funding, type Work } from './work.ts'

export type Market = Awaited<ReturnType<typeof openMarket>>

/** Wallets that buy from a cloud that is killed. */
export async function openMarket(cloud: MortalCloud, { each = 1 } = {}) {
  const kinds: Kind[] = ['wallet', 'wallet that charges', 'stock client', 'program']
  const buyers = await Promise.all(
    kinds.flatMap((kind) =>
      Array.from({ length: each }, (_, i) => newBuyer(cloud, `${kind} ${i + 1}`, kind)),
    ),
  )
  const [ada, bob] = [buyers[0], buyers[each]] as [Buyer, Buyer]
  const others = buyers.filter((it) => it !== ada && it !== bob)
  const shop = (await buy(cloud, ada, deployment('shop'))).answer.url as string
  /** How often the cloud was killed where. */
  const kills: Record<string, number> = {}
  let count = 0
  const killed = (where: string) => {
    kills[where] = (kills[where] ?? 0) + 1
  }

  /** Kills the server between two steps, while everybody buys. Resolves when all have what they asked for. */
  async function killAt(step: Step): Promise<void> {
    if (step.action === 'open') await closeSessions(cloud, ada)
    let isOver = false
    cloud.trap.set(step, () => {
      killed(step.name)
      isOver = true
      void cloud.kill()
    })
    // Programs take long to start.
    const present = others.filter((it) => it.kind !== 'program' || count++ % 3 === 0)
    const working = present.map(async (it) => {
      while (!isOver) {
        await buy(cloud, it, execution())
        await visit()
        await sleep(50)
      }
    })
    let sprung = false
    try {
      for (let tries = 0; tries < 20 && !isOver; tries++) await act(step.action)
      sprung = isOver
    } finally {
      isOver = true
      cloud.trap.remove()
      await Promise.all(working)
    }
    await cloud.alive()
    if (!sprung) throw new Error(`The cloud never came to it: ${step.name}`)
  }

  async function act(action: Action): Promise<unknown> {
    switch (action) {
      case 'open':
      case 'execute':
        return buy(cloud, ada, execution())
      case 'deploy':
        return buy(cloud, ada, deployment('shop'))
      case 'fund':
        return buy(cloud, ada, funding('0.1'))
      case 'top up':
        return buy(cloud, ada, funding('4'))
      case 'charge':
        return buy(cloud, bob, execution())
      case 'charge a deploy':
        return buy(cloud, bob, deployment('kiosk'))
      case 'fund by charge':
        return buy(cloud, bob, funding('0.1', shop))
      case 'close':
        await buy(cloud, ada, execution())
        return closeSessions(cloud, ada)
      case 'settle': {
        for (let i = 0; i < 4; i++) await buy(cloud, ada, execution())
        // A minute passes.
        await cloud.sql("delete from periodic where name = 'settle'")
        killed('at leisure')
        await cloud.kill()
        await cloud.alive()
        return sleep(2_000)
      }
    }
  }

  /** Kills whatever there is, at any moment, while everybody does everything. */
  async function storm(count: number): Promise<void> {
    let isOver = false
    let answers = 0
    const working = buyers.map(async (it) => {
      while (!isOver) {
        if (it.how === 'session' && Math.random() < 0.03) await closeSessions(cloud, it)
        await buy(cloud, it, anything(it))
        answers++
        if (Math.random() < 0.2) await visit()
      }
    })
    const killing = async () => {
      for (let i = 0; i < count && !isOver; i++) {
        await cloud.alive()
        // However slow the machine is, every other life is good for something.
        for (const before = answers; i % 2 && answers === before && !isOver; ) await sleep(20)
        await killAnything()
      }
      isOver = true
    }
    try {
      await Promise.all([...working, killing()])
    } finally {
      isOver = true
      await Promise.allSettled(working)
    }
    await cloud.alive()
  }

  async function killAnything(): Promise<void> {
    const { lives } = cloud
    const chance = Math.random()
    if (chance < 0.05) cloud.killChain()
    if (chance > 0.95) cloud.killDatabase()
    const step = steps[Math.floor(Math.random() * steps.length)] as Step
    let where = chance < 0.05 ? 'with its chain' : chance > 0.95 ? 'with its database' : 'anywhere'
    if (chance > 0.5) {
      cloud.trap.set(step, () => {
        where = step.name
        void cloud.kill()
      })
    }
    await sleep(Math.random() * 1_500)
    cloud.trap.remove()
    if (cloud.lives === lives) await cloud.kill()
    killed(where)
  }

  function anything({ name, how }: Buyer): Work {
    const chance = Math.random()
    if (chance < 0.75) return execution()
    if (chance < 0.85) return deployment(name.replace(/ /g, '-'))
    // Of a balance of his own, who charges would not know what it is made of.
    return funding(chance < 0.87 ? '3' : '0.05', how === 'charge' ? shop : undefined)
  }

  /** Somebody looks at an app, which costs its owner something when he has it. */
  async function visit(): Promise<void> {
    try {
      await (await live(shop)).text()
    } catch {
      // The cloud is away.
    }
  }

  return { cloud, buyers, ada, bob, kills, killAt, storm }
}

/** Closes all sessions of a wallet, and waits until the chain has. */
export async function closeSessions(cloud: MortalCloud, { name, jack }: Buyer): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    await cloud.alive()
    try {
      const { sessions } = await jack.sessions.list({ limit: 100 })
      const open = sessions.filter((it) => it.status !== 'closed')
      if (open.length === 0) return
      for (const { session_id } of open) await jack.sessions.close(session_id)
    } catch (error) {
      if (!(lostOr(error) instanceof Lost)) throw error
    }
    await sleep(100)
  }
  throw new Error(`The sessions of ${name} do not close.`)
}
