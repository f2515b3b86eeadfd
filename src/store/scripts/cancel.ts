/** The script that asks for a cancel. */
import { PRELUDE } from "./prelude.js";
import { script } from "./script.js";

/**
 * Asks for a cancel.
 *
 *   ARGV[1] TTL from the end, s · [2] wake channel · [3] what stands before an owner's id in its channel · [4] run id
 *   → { 'GONE' } | { 'OK', status, cancel requested }
 */
export const CANCEL = script(`${PRELUDE}
local end_ttl = tonumber(ARGV[1])
if not end_ttl then return redis.error_reply('ERR livetail: a number is missing') end
local m = redis.call('HMGET', META, 'status', 'owner', 'next', 'len', 'bytes', 'version', 'cancel_requested')
if redis.call('EXISTS', META) == 0 then return { 'GONE' } end
local status, owner = m[1] or 'running', m[2] or ''
if is_terminal(status) then return { 'OK', status, integer(m[7]) } end
local asked = integer(m[7]) == 1
-- A run that something else writes has its owner there: it reads the flag, we do not end it.
if owner == '' and m[3] then
  redis.call('HSET', META, 'cancel_requested', 1)
  local buffer = measure(integer(m[3]), integer(m[4]), integer(m[5]))
  hint(ARGV[2], buffer.next, finish(buffer, 'cancelled', '', '', now_ms(), end_ttl))
  return { 'OK', 'cancelled', 1 }
end
if not asked then
  redis.call('HSET', META, 'cancel_requested', 1)
  if m[3] then hint(ARGV[2], integer(m[3]), redis.call('HINCRBY', META, 'version', 1)) end
end
if owner ~= '' then redis.pcall('PUBLISH', ARGV[3] .. owner, ARGV[4]) end
return { 'OK', status, 1 }
`);
