export { stateRoot } from './stateDirs.ts'
export { createWorkerdEngine } from './workerd.ts'
