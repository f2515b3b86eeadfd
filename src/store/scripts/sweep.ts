/** The script that looks for owners that are gone. */
import { PRELUDE } from "./prelude.js";
import { script } from "./script.js";

/**
 * Counts a lease that is over, and ends the run of a lost owner or one that nobody started.
 *
 *   ARGV[1] sweeps until lost · [2] new epoch · [3] line of a lost owner · [4] line of a run never started
 *   [5] how long a run waits for an owner, ms · [6] max lines · [7] max bytes · [8] TTL from the end, s
 *   [9] wake channel
 *   → { 'GONE' } | { 'ENDED', error code or '' if it had ended before } | { 'OPEN', when to look again, ms }
 *     | { 'STALLED', sweeps so far }
 */
export const SWEEP = script(`${PRELUDE}
local lost_after, new_epoch, wait_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[5])
local max_lines, max_bytes, end_ttl, channel = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
if not (lost_after and wait_ms and max_lines and max_bytes and end_ttl) then
  return redis.error_reply('ERR livetail: a number is missing')
end
local m = redis.call('HMGET', META, 'status', 'owner', 'lease_until', 'stalled_sweeps', 'queued_at', 'next', 'len',
  'bytes', 'server', 'max_lines', 'max_bytes')
max_lines, max_bytes = cap(m[10], max_lines), cap(m[11], max_bytes)
-- What something else writes has no lease that we could judge.
if not m[6] then return { 'GONE' } end
if is_terminal(m[1]) then return { 'ENDED', '' } end
local now = now_ms()
local owned = (m[2] or '') ~= ''

local function end_with(line, error, code)
  local server = server_id()
  if server ~= '' and m[9] ~= server then redis.call('HSET', META, 'epoch', new_epoch, 'server', server) end
  local buffer = measure(integer(m[6]), integer(m[7]), integer(m[8]))
  push(buffer, ARGV, line, line, max_lines, max_bytes)
  hint(channel, buffer.next, finish(buffer, 'failed', error, code, now, end_ttl))
  return { 'ENDED', code }
end

if not owned then
  local due = integer(m[5]) + wait_ms
  if due > now then return { 'OPEN', due } end
  return end_with(4, 'Nobody started the run in time.', 'NEVER_STARTED')
end
if integer(m[3]) > now then return { 'OPEN', integer(m[3]) } end
local sweeps = integer(m[4]) + 1
redis.call('HSET', META, 'stalled_sweeps', sweeps)
if sweeps >= lost_after then return end_with(3, 'The process that executed the run is gone.', 'OWNER_LOST') end
if sweeps == 1 then hint(channel, integer(m[6]), redis.call('HINCRBY', META, 'version', 1)) end
return { 'STALLED', sweeps }
`);
