/** A process that takes a data directory, runs its Postgres, says so as a line of JSON, and stays until it is killed. */
import { openDataDirectory } from '../dataDirectory.ts'
import { startEmbedded } from '../embedded/startEmbedded.ts'

const directory = openDataDirectory(process.argv[2] as string)
const { connection, adopted } = await startEmbedded({ dataDir: directory.path })
console.log(JSON.stringify({ connection, adopted, uid: process.getuid?.() }))
setInterval(() => {}, 60_000)
