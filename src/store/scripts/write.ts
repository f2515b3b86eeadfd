/** Scripts that write lines: append, end, release. */
import { PRELUDE } from "./prelude.js";
import { script } from "./script.js";

/**
 * What append, end and release have in common: reads the arguments below, answers GONE, RUN_ENDED, FENCED, EPOCH, ORDER
 * or TOO_MANY_PRODUCERS, and otherwise stores the lines and leaves `buffer`, `version`, `stored` and `visible` (something
 * but lines has changed) to the rest.
 *
 *   ARGV[1] producer · [2] fence, 0 none · [3] epoch, '' none · [4] new epoch · [5] acked, lines · [6] told, index
 *   [7] first, number · [8] upto, number · [9] logged, lines · [10] totals, JSON or '' · [11] '1': queued → running
 *   [12] max lines · [13] max bytes · [14] TTL while open, s · [15] owner id, '' none · [16] owner URL
 *   [17] lease, ms · [18] text of the owner key · [19] wake channel · [20] max producers
 *   [21] how many lines · [22] the lines, a MessagePack array · then what the script itself takes
 *
 * The lines are one argument: one for each would cost the client more than all the rest (`npm run bench ingest`).
 */
const WRITE = `
local producer, fence, epoch, new_epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local acked, told, first, upto = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local logged, totals, start = tonumber(ARGV[9]), ARGV[10], ARGV[11] == '1'
local max_lines, max_bytes, open_ttl = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local owner, owner_url, lease_ms, owner_text = ARGV[15], ARGV[16], tonumber(ARGV[17]), ARGV[18]
local channel, max_producers, count = ARGV[19], tonumber(ARGV[20]), tonumber(ARGV[21])
local REST = 23
if not (fence and acked and told and first and upto and logged and max_lines and max_bytes and open_ttl
  and lease_ms and max_producers and count) then
  return redis.error_reply('ERR livetail: a number is missing')
end

local meta = redis.call('HMGET', META, 'status', 'epoch', 'server', 'next', 'len', 'bytes', 'version', 'fence',
  'owner', 'stalled_sweeps', 'cancel_requested', 'updated_at', 'max_lines', 'max_bytes', 'producers', 'lease_until',
  'chunks')
max_lines, max_bytes = cap(meta[13], max_lines), cap(meta[14], max_bytes)
-- A run of ours has a status; only of something else one has to ask.
if not meta[1] and redis.call('EXISTS', META) == 0 then return { 'GONE' } end
local status = meta[1] or 'running'
local stored_have = redis.call('HGET', PRODUCERS, 'p:' .. producer)
local have = integer(stored_have)
-- Evicted: nobody knows any more who has stored what.
local forgotten = not stored_have and integer(meta[15]) > 0 and redis.call('EXISTS', PRODUCERS) == 0

-- What was acknowledged is not late, also when the count of it was evicted.
if is_terminal(status) then
  local late = logged - (epoch == meta[2] and math.max(have, acked) or have)
  local known = integer(redis.call('HGET', PRODUCERS, 'l:' .. producer))
  if late > known then
    local ttl = redis.call('PTTL', META)
    redis.call('HSET', PRODUCERS, 'l:' .. producer, late)
    if ttl > 0 then redis.call('PEXPIRE', PRODUCERS, ttl) end
    redis.call('HINCRBY', META, 'late_lines', late - known)
    hint(channel, integer(meta[4]), redis.call('HINCRBY', META, 'version', 1))
  end
  return { 'RUN_ENDED', status }
end

local stored_fence = integer(meta[8])
local stored_owner = meta[9] or ''
if fence > 0 and fence < stored_fence then return { 'FENCED' } end
-- An owner that gave the run back is none any more, though its fence is still the stored one.
if owner ~= '' and fence == stored_fence and stored_owner ~= owner and not RELEASING then return { 'FENCED' } end

-- A server at its memory limit refuses a script's first write if it may need memory, and none after that. Lines wait;
-- what renews, ends or gives back begins with a write that needs none.
if count == 0 or CLOSING then redis.call('EXPIRE', META, open_ttl) end

local server = server_id()
if not meta[4] then
  take_in_foreign(new_epoch, server, open_ttl)
  meta[2], meta[3], meta[7] = new_epoch, server, '1'
  meta[4] = redis.call('HGET', META, 'next')
  meta[5], meta[6] = meta[4], redis.call('HGET', META, 'bytes')
end
local now = now_ms()
local version = integer(meta[7])
local buffer = measure(integer(meta[4]), integer(meta[5]), integer(meta[6]), meta[17])

local visible = false
-- On an older copy the newer fence is written with its owner and lease.
if owner ~= '' and fence > stored_fence then
  redis.call('HSET', META, 'fence', fence, 'owner', owner, 'owner_url', owner_url, 'lease_until', now + lease_ms,
    'max_lines', max_lines, 'max_bytes', max_bytes)
  stored_owner = owner
  visible = true
end

local moved = server ~= '' and (meta[3] or '') ~= server
if not moved and epoch ~= '' and epoch ~= meta[2] then
  return { 'EPOCH', meta[2], have, buffer.next }
end
-- All that producers still have will come again, and must not stand beside what is stored of it: that becomes a gap.
if forgotten then
  redis.call('DEL', BUFFER)
  redis.call('HSET', META, 'base', buffer.next, 'next', buffer.next, 'len', 0, 'bytes', 0, 'producers', 0)
end
if moved or forgotten or (epoch ~= '' and (have < acked or buffer.next < told)) then
  redis.call('HSET', META, 'epoch', new_epoch, 'server', server)
  version = redis.call('HINCRBY', META, 'version', 1)
  hint(channel, buffer.next, version)
  return { 'EPOCH', new_epoch, have, buffer.next }
end
local hole = upto - first > count
if first > have or (hole and have > first and have < upto) then return { 'ORDER', have } end
if not stored_have and count > 0 and integer(redis.call('HGET', META, 'producers')) >= max_producers then
  return { 'TOO_MANY_PRODUCERS' }
end

local stored = have < upto and count > 0
local lines, at
if stored then
  lines, at = cmsgpack.unpack(ARGV[22]), hole and 1 or 1 + have - first
  if not stored_have then redis.call('HINCRBY', META, 'producers', 1) end
  push(buffer, lines, at, count, max_lines, max_bytes)
  redis.call('HSET', PRODUCERS, 'p:' .. producer, upto)
  have = upto
end
if totals ~= '' and redis.call('HGET', PRODUCERS, 'c:' .. producer) ~= totals then
  redis.call('HSET', PRODUCERS, 'c:' .. producer, totals)
  visible = true
end
if start and status == 'queued' then
  status = 'running'
  redis.call('HSET', META, 'status', status)
  redis.call('HSETNX', META, 'started_at', now)
  visible = true
end
local lease_until = meta[16] or 0
if owner ~= '' and stored_owner == owner and not RELEASING then
  lease_until = now + lease_ms
  if count == 0 then redis.call('SET', OWNER, owner_text, 'PX', lease_ms) end
  if integer(meta[10]) ~= 0 then
    redis.call('HSET', META, 'stalled_sweeps', 0)
    visible = true
  end
end
redis.call('HSET', META, 'next', buffer.next, 'len', buffer.len, 'bytes', buffer.bytes, 'updated_at', now,
  'lease_until', lease_until)
if stored then redis.call('HSET', META, 'chunks', chunks_of(buffer)) end
-- TTLs: where a key came into being, at a heartbeat, and once a minute for a run whose writers have no lease.
if count == 0 or not stored_have or buffer.length == 0 or now - integer(meta[12]) > 60000 then
  expire_all(open_ttl)
end
`;

/** What append and end answer on success. */
const ANSWER = `
return { 'OK', meta[2], buffer.next, version, integer(meta[11]), now }
`;

/**
 * Appends lines; without lines a heartbeat.
 *
 *   After the lines: [+0] layers, '' none · [+1] SHA-1 of the text they replace, '' for none
 *   → { 'OK', epoch, next, version, cancel requested, now, stored layers if ours were not written }
 *     | { 'GONE' } | { 'RUN_ENDED', status } | { 'FENCED' } | { 'EPOCH', epoch, have, next } | { 'ORDER', have }
 *     | { 'TOO_MANY_PRODUCERS' }
 */
export const APPEND = script(`${PRELUDE}
local RELEASING, CLOSING = false, false
-- A layers key of another type is met here, before anything is written.
local layers, replaces = ARGV[#ARGV - 1], ARGV[#ARGV]
local old_layers = layers ~= '' and redis.call('GET', LAYERS) or ''
${WRITE}
local other = false
if layers ~= '' and layers ~= old_layers then
  if (old_layers == '' and '' or redis.sha1hex(old_layers)) == replaces then
    redis.call('SET', LAYERS, layers, 'EX', open_ttl)
    visible = true
  else
    other = true
  end
end
if visible then
  version = redis.call('HINCRBY', META, 'version', 1)
  hint(channel, buffer.next, version)
elseif stored then
  hint_lines(channel, version, meta[2], buffer, lines, at, #ARGV[22])
end
if other then return { 'OK', meta[2], buffer.next, version, integer(meta[11]), now, old_layers } end
${ANSWER}`);

/**
 * Ends a run with its last lines.
 *
 *   After the lines: [+0] status · [+1] error · [+2] error code · [+3] '1': a result follows · [+4] result, JSON
 *   [+5] TTL from the end, s
 *   → as append
 */
export const END = script(`${PRELUDE}
local RELEASING, CLOSING = false, true
local end_ttl = tonumber(ARGV[#ARGV])
if not end_ttl then return redis.error_reply('ERR livetail: a number is missing') end
${WRITE}
if ARGV[REST + 3] == '1' then redis.call('SET', RESULT, ARGV[REST + 4]) end
version = finish(buffer, ARGV[REST], ARGV[REST + 1], ARGV[REST + 2], now, end_ttl)
hint(channel, buffer.next, version)
${ANSWER}`);

/**
 * Gives a run back: queued, without an owner.
 *
 *   Nothing after the lines.
 *   → as append
 */
export const RELEASE = script(`${PRELUDE}
local RELEASING, CLOSING = true, true
${WRITE}
if stored_owner ~= '' then
  redis.call('HSET', META, 'status', 'queued', 'owner', '', 'owner_url', '', 'lease_until', 0, 'stalled_sweeps', 0,
    'queued_at', now)
  redis.call('DEL', OWNER)
  visible = true
end
if visible then version = redis.call('HINCRBY', META, 'version', 1) end
if visible or stored then hint(channel, buffer.next, version) end
${ANSWER}`);
