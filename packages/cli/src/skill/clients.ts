import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A program in which an agent lives, and the folders in which it looks for skills. */
export interface SkillClient {
  id: string
  name: string
  /** Below a project's folder. */
  project: string
  /** For everything that this person works on. */
  user: string
  /** There is one on this machine. */
  isHere: boolean
}

/** Every client that is known, the folder that many of them share last. */
export function skillClients(env: Record<string, string | undefined> = process.env): SkillClient[] {
  const home = homedir()
  const config = env.XDG_CONFIG_HOME || join(home, '.config')
  const client = (id: string, name: string, own: string, project = '.agents/skills') => ({
    id,
    name,
    project,
    user: join(own, 'skills'),
    isHere: existsSync(own),
  })
  return [
    client(
      'claude-code',
      'Claude Code',
      env.CLAUDE_CONFIG_DIR || join(home, '.claude'),
      '.claude/skills',
    ),
    client('codex', 'Codex', env.CODEX_HOME || join(home, '.codex')),
    client('cursor', 'Cursor', join(home, '.cursor')),
    client('copilot', 'GitHub Copilot', join(home, '.copilot')),
    client('gemini', 'Gemini CLI', join(home, '.gemini')),
    client('windsurf', 'Windsurf', join(home, '.codeium/windsurf'), '.windsurf/skills'),
    client('opencode', 'OpenCode', join(config, 'opencode')),
    client('goose', 'Goose', join(config, 'goose'), '.goose/skills'),
    client('agents', 'the folder that others share', join(home, '.agents')),
  ]
}
