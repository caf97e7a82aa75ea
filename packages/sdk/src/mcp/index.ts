export { createMcpServer, type McpServerOptions } from './server.ts'
export { type Caller, type Host, type Tool, type ToolCall, type Toolset, toolsets } from './Tool.ts'
export { tools } from './tools.ts'
