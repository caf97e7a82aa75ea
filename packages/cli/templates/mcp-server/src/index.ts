import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { CfWorkerJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/cfworker'
import { addTools } from './tools.ts'

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, origin } = new URL(request.url)
    if (pathname !== '/mcp') return new Response(`An MCP server. Connect to ${origin}/mcp\n`)
    const server = new McpServer(
      { name: 'mcp-server', version: '1.0.0' },
      { jsonSchemaValidator: new CfWorkerJsonSchemaValidator() },
    )
    addTools(server)
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
    await server.connect(transport)
    return transport.handleRequest(request)
  },
}
