import { once } from 'node:events'
import { startLocalnet } from '../payments/localnet/startLocalnet.ts'

// Keeps a chain in a process of its own until its input ends, for tests that kill what is paid on it. Prints where it
// is, and again when its node is another.
const [dataDir] = process.argv.slice(2)
const chain = await startLocalnet({ dataDir })
let pid = 0
const tell = () => {
  if (chain.pid === pid) return
  pid = chain.pid
  const { rpcUrl, chainId, token } = chain
  console.log(JSON.stringify({ rpcUrl, chainId, token, pid }))
}
tell()
const telling = setInterval(tell, 50)

process.stdin.resume()
await once(process.stdin, 'end')
clearInterval(telling)
await chain.stop()
