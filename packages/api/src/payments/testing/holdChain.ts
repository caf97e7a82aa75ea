import { startLocalnet } from '../localnet/startLocalnet.ts'

// Keeps a chain running in a process of its own, for tests that kill it. Prints where it is.
const [dataDir] = process.argv.slice(2)
const { rpcUrl, pid } = await startLocalnet({ dataDir })
console.log(JSON.stringify({ rpcUrl, pid }))
