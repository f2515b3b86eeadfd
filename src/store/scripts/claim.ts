/** Scripts that begin a run, or begin it again. */
import { PRELUDE } from "./prelude.js";
import { script } from "./script.js";

/**
 * Creates or adopts a run.
 *
 *   ARGV[1] producer, the claim's id · [2] new epoch · [3] owner id, '' creates without one · [4] owner URL
 *   [5] lease, ms · [6] text of the owner key · [7] '1': in spite of a live lease · [8] subject · [9] operation
 *   [10] parent · [11] metadata · [12] line if an earlier owner is replaced · [13] TTL while open, s
 *   [14] max lines · [15] max bytes · [16] wake channel
 *   → { 'OK', epoch, next, version, cancel requested, now, fence, attempt, status, layers, created at }
 *     | { 'RUN_ENDED', status } | { 'OWNED', owner }
 */
export const CLAIM = script(`${PRELUDE}
local producer, new_epoch, owner, owner_url = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease_ms, owner_text, take_over = tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'
local open_ttl, max_lines, max_bytes = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local channel = ARGV[16]
if not (lease_ms and open_ttl and max_lines and max_bytes) then
  return redis.error_reply('ERR livetail: a number is missing')
end
local now = now_ms()
local FIELDS = { 'epoch', 'next', 'version', 'cancel_requested', 'fence', 'attempt', 'status',
  'lease_until', 'created_at', 'claim', 'owner', 'server', 'len', 'bytes', 'max_lines', 'max_bytes' }

local function answer()
  local m = redis.call('HMGET', META, unpack(FIELDS))
  return { 'OK', m[1] or '', integer(m[2]), integer(m[3]), integer(m[4]), now,
    integer(m[5]), integer(m[6]), m[7] or '', redis.call('GET', LAYERS) or '', integer(m[9]) }
end

if redis.call('EXISTS', META) == 0 then
  local server = server_id()
  redis.call('DEL', BUFFER, LAYERS, PRODUCERS, RESULT)
  redis.call('HSET', META, 'status', 'queued', 'epoch', new_epoch, 'server', server, 'base', 0, 'next', 0,
    'len', 0, 'bytes', 0, 'version', 1, 'late_lines', 0, 'stalled_sweeps', 0, 'cancel_requested', 0,
    'fence', owner ~= '' and now or 0, 'attempt', owner ~= '' and 1 or 0, 'owner', owner, 'owner_url', owner_url,
    'lease_until', owner ~= '' and now + lease_ms or 0, 'claim', producer,
    'subject_id', ARGV[8], 'operation', ARGV[9], 'parent_id', ARGV[10], 'metadata', ARGV[11],
    'created_at', now, 'queued_at', now, 'updated_at', now)
  redis.call('EXPIRE', META, open_ttl)
  if owner ~= '' then
    redis.call('HSET', META, 'max_lines', max_lines, 'max_bytes', max_bytes)
    redis.call('SET', OWNER, owner_text, 'PX', lease_ms)
  end
  hint(channel, 0, 1)
  return answer()
end

local m = redis.call('HMGET', META, unpack(FIELDS))
if is_terminal(m[7]) then return { 'RUN_ENDED', m[7] } end
if m[10] == producer then return answer() end
local held = m[11] or ''
if owner == '' then
  if held ~= '' then return { 'OWNED', held } end
  return answer()
end
if held ~= '' and integer(m[8]) > now and not take_over then return { 'OWNED', held } end

local server = server_id()
if not m[2] then
  take_in_foreign(new_epoch, server, open_ttl)
  m = redis.call('HMGET', META, unpack(FIELDS))
elseif server ~= '' and m[12] ~= server then
  redis.call('HSET', META, 'epoch', new_epoch, 'server', server)
end
max_lines, max_bytes = cap(m[15], max_lines), cap(m[16], max_bytes)
local buffer = measure(integer(m[2]), integer(m[13]), integer(m[14]))
if held ~= '' and held ~= owner then push(buffer, ARGV, 12, 12, max_lines, max_bytes) end
redis.call('HSET', META, 'fence', math.max(integer(m[5]) + 1, now), 'attempt', integer(m[6]) + 1,
  'claim', producer, 'owner', owner, 'owner_url', owner_url, 'lease_until', now + lease_ms, 'stalled_sweeps', 0,
  'next', buffer.next, 'len', buffer.len, 'bytes', buffer.bytes, 'updated_at', now,
  'max_lines', max_lines, 'max_bytes', max_bytes)
-- What a foreign writer or an older one left unsaid is said by the one who knows.
if ARGV[8] ~= '' then redis.call('HSETNX', META, 'subject_id', ARGV[8]) end
if ARGV[9] ~= '' then redis.call('HSETNX', META, 'operation', ARGV[9]) end
redis.call('HSETNX', META, 'created_at', now)
redis.call('SET', OWNER, owner_text, 'PX', lease_ms)
expire_all(open_ttl)
hint(channel, buffer.next, redis.call('HINCRBY', META, 'version', 1))
return answer()
`);

/**
 * Creates a run again that this store lost, if it is still gone.
 *
 *   ARGV[1] producer · [2] new epoch · [3] owner id · [4] owner URL · [5] lease, ms · [6] text of the owner key
 *   [7] fence · [8] base, index · [9] have, lines · [10] status · [11] attempt · [12] totals · [13] layers
 *   [14] '1': a cancel was asked for · [15] created at, ms · [16] started at, ms, 0 not yet · [17] subject
 *   [18] operation · [19] parent · [20] metadata · [21] TTL while open, s · [22] wake channel · [23] max lines
 *   [24] max bytes
 *   → { 'OK', epoch, next, version } | { 'EXISTS' }
 */
export const RECREATE = script(`${PRELUDE}
local producer, new_epoch, owner, owner_url = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease_ms, owner_text, fence = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local base, have, attempt = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[11])
local created_at, started_at, open_ttl = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[21])
local max_lines, max_bytes = tonumber(ARGV[23]), tonumber(ARGV[24])
if not (lease_ms and fence and base and have and attempt and created_at and started_at and open_ttl and max_lines
  and max_bytes) then
  return redis.error_reply('ERR livetail: a number is missing')
end
if redis.call('EXISTS', META) == 1 then
  local m = redis.call('HMGET', META, 'epoch', 'next', 'version', 'claim')
  if m[1] == new_epoch and m[4] == producer then return { 'OK', m[1], integer(m[2]), integer(m[3]) } end
  return { 'EXISTS' }
end
local now = now_ms()
redis.call('DEL', BUFFER, LAYERS, PRODUCERS, RESULT)
redis.call('HSET', META, 'status', ARGV[10], 'epoch', new_epoch, 'server', server_id(), 'base', base, 'next', base,
  'len', 0, 'bytes', 0, 'version', 1, 'late_lines', 0, 'stalled_sweeps', 0, 'cancel_requested', ARGV[14],
  'fence', fence, 'attempt', attempt, 'owner', owner, 'owner_url', owner_url, 'lease_until', now + lease_ms,
  'claim', producer, 'producers', 1, 'subject_id', ARGV[17], 'operation', ARGV[18],
  'parent_id', ARGV[19], 'metadata', ARGV[20], 'created_at', created_at, 'queued_at', now, 'updated_at', now,
  'max_lines', max_lines, 'max_bytes', max_bytes)
if started_at > 0 then redis.call('HSET', META, 'started_at', started_at) end
redis.call('HSET', PRODUCERS, 'p:' .. producer, have)
if ARGV[12] ~= '' then redis.call('HSET', PRODUCERS, 'c:' .. producer, ARGV[12]) end
if ARGV[13] ~= '' then redis.call('SET', LAYERS, ARGV[13]) end
redis.call('SET', OWNER, owner_text, 'PX', lease_ms)
expire_all(open_ttl)
hint(ARGV[22], base, 1)
return { 'OK', new_epoch, base, 1 }
`);
