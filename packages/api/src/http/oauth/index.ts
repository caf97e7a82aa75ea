import type { Hono } from 'hono'
import type { Jack } from '../../jack.ts'
import type { Door } from '../Door.ts'
import { authorizeDoor } from './authorize.ts'
import { deviceDoor } from './device.ts'
import { oauthLimits } from './limits.ts'
import { registerDoor } from './register.ts'
import { tokenDoor } from './token.ts'

/** The authorization server (OAuth 2.1): how programs get a token from a person without seeing a password or key. */
export function oauthDoor(app: Hono<Door>, jack: Jack): void {
  const limits = oauthLimits()
  registerDoor(app, jack, limits)
  authorizeDoor(app, jack, limits)
  tokenDoor(app, jack)
  deviceDoor(app, jack, limits)
}
