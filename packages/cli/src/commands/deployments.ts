import type { Command } from 'commander'
import { bytes, distance, table } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .action(async (given) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const all = jack.projects.allDeployments(session.project(), { limit: 200 }, { signal })
      const deployments = await print.while('Reading deployments', Array.fromAsync(all))
      print.answer({ deployments, next_cursor: null }, () =>
        print.out(
          table(
            ['id', 'live', 'made', 'size#', 'modules#?', 'files#?', 'url?'],
            deployments.map((it) => [
              it.deployment_id,
              it.live ? 'live' : '',
              distance(it.created_at),
              bytes(it.size_bytes),
              String(it.modules),
              String(it.assets),
              it.deployment_url,
            ]),
          ),
        ),
      )
    })
