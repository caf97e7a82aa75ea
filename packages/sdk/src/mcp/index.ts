export { createMcpServer, type McpServerOptions } from './server.ts'
export {
  type Caller,
  type FolderCall,
  type FolderSettings,
  type Folders,
  type Host,
  type Tool,
  type ToolRequest,
  type Toolset,
  toolsets,
} from './Tool.ts'
export { tools } from './tools.ts'
