export { createWorkerdEngine } from './workerd.ts'
