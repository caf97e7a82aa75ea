export { createWorkerdEngine, type WorkerdOptions } from './workerd.ts'
