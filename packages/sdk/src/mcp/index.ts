export { type Caller, type Host, type Tool, type ToolCall, type Toolset, toolsets } from './Tool.ts'
