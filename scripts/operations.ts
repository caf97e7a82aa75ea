import { writeFileSync } from 'node:fs'
import { operationsPage } from './operationsPage.ts'

writeFileSync(new URL('../docs/operations.md', import.meta.url), operationsPage())
