/**
 * The Lua scripts of the Redis store. Each is atomic; none rolls back, so every argument is read and every key
 * type met (by a read) before the first write, and hints are published by pcall at the end.
 *
 * All scripts take the same keys, which share a slot:
 *   KEYS[1] meta HASH · [2] buffer LIST · [3] layers STRING · [4] producers HASH · [5] result STRING
 *   KEYS[6] children HASH · [7] owner STRING · [8] summary STRING
 *
 * Times are milliseconds of the server's clock. Numbers are integers below 2^53. There is no cjson: JSON is built
 * and taken apart in TypeScript. Data never becomes part of a script's text.
 *
 * meta holds three fields beside those of protocol §3: `max_lines` and `max_bytes`, the caps of its first owner's store.
 * Whoever writes to the run trims to them; to the caps of the own store only while no owner has claimed it. `chunks`
 * says how many bytes the lines of the buffer have, some lines at a time, so that a trim need not read what it removes:
 * next, len and bytes for which it holds, three doubles; then lines and bytes of each chunk, the oldest first, two words.
 */

/** The fields of meta that a read answers, in this order. */
export const META_FIELDS = [
  "status",
  "epoch",
  "base",
  "next",
  "len",
  "version",
  "expected_log_count",
  "late_lines",
  "owner",
  "owner_url",
  "lease_until",
  "stalled_sweeps",
  "attempt",
  "cancel_requested",
  "subject_id",
  "operation",
  "parent_id",
  "metadata",
  "error",
  "error_code",
  "created_at",
  "started_at",
  "finished_at",
] as const;

/** Names for the keys, the clock, the server's identity, and what all scripts do to a run. */
const PRELUDE = `
local META, BUFFER, LAYERS, PRODUCERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local RESULT, CHILDREN, OWNER, SUMMARY = KEYS[5], KEYS[6], KEYS[7], KEYS[8]

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- A field that is absent, or that something else wrote as a fraction or as text, counts as 0.
local function integer(text)
  return math.floor(tonumber(text) or 0)
end

-- Another one after each restart and each time that a replica becomes the master, also in the same process (run_id
-- would not do). '' when the user may not call INFO: then neither can be noticed.
local function server_id()
  local info = redis.pcall('INFO', 'replication')
  if type(info) ~= 'string' then return '' end
  return string.match(info, 'master_replid:(%x+)') or ''
end

-- What something else writes may say 'error' for 'failed'.
local function is_terminal(status)
  return status == 'completed' or status == 'failed' or status == 'cancelled' or status == 'error'
end

-- A cap as the run's owner set it, else the own one.
local function cap(stored, own)
  local value = integer(stored)
  return value > 0 and value or own
end

local function hint(channel, next, version)
  redis.pcall('PUBLISH', channel, string.format('%.0f %.0f', next, version))
end

-- A hint of lines that changed nothing else. If they are few bytes, none is trimmed yet and somebody listens at this
-- server, they come along and save a reader the way here: next, version, epoch, first index kept, index of the first of
-- them; one in each line after that. To ask who listens costs less than to write what nobody hears.
local function hint_lines(channel, version, epoch, buffer, lines, at, bytes)
  local first, from = buffer.next - buffer.len, buffer.next - (#lines - at + 1)
  local listeners = bytes <= 8192 and from >= first and redis.pcall('PUBSUB', 'NUMSUB', channel)[2]
  if not listeners or listeners == 0 then return hint(channel, buffer.next, version) end
  redis.pcall('PUBLISH', channel, string.format('%.0f %.0f %s %.0f %.0f\\n', buffer.next, version, epoch, first, from)
    .. table.concat(lines, '\\n', at))
end

local function expire_all(seconds)
  redis.call('EXPIRE', META, seconds)
  redis.call('EXPIRE', BUFFER, seconds)
  redis.call('EXPIRE', LAYERS, seconds)
  redis.call('EXPIRE', PRODUCERS, seconds)
  redis.call('EXPIRE', RESULT, seconds)
  redis.call('EXPIRE', CHILDREN, seconds)
end

local function bytes_of(from, to)
  local sum = 0
  for _, line in ipairs(redis.call('LRANGE', BUFFER, from, to)) do sum = sum + #line end
  return sum
end

local CHUNK, CHUNK_LINES = '>I4I4', 64

local function holds_for(next, len, bytes)
  return struct.pack('>ddd', next, len, bytes)
end

-- What the buffer really holds against what meta says of it: { next, len, bytes, chunks, length }. A longer buffer
-- holds lines that something else pushed, a shorter one was evicted or trimmed. Chunks that hold for something else
-- were left by who knows none of them: all lines are one.
local function measure(next, len, bytes, chunks)
  local length = redis.call('LLEN', BUFFER)
  local known = chunks and string.sub(chunks, 1, 24) == holds_for(next, len, bytes)
  local buffer = { next = next, len = length, bytes = bytes, length = length }
  if length < len then buffer.bytes, known = bytes_of(0, -1), false end
  local extra = length > len and bytes_of(len - length, -1) or 0
  buffer.chunks = known and string.sub(chunks, 25) or struct.pack(CHUNK, math.min(len, length), buffer.bytes)
  if length > len then
    buffer.next, buffer.bytes = next + length - len, bytes + extra
    buffer.chunks = buffer.chunks .. struct.pack(CHUNK, length - len, extra)
  end
  return buffer
end

local function chunks_of(buffer)
  return holds_for(buffer.next, buffer.len, buffer.bytes) .. buffer.chunks
end

-- Removes the oldest lines beyond the caps, never the newest line. Only of a chunk that stays in part they are read.
local function trim(buffer, max_lines, max_bytes)
  local chunks, at, drop = buffer.chunks, 1, 0
  while buffer.len > max_lines or buffer.bytes > max_bytes and buffer.len > 1 do
    if at > #chunks then chunks, at = struct.pack(CHUNK, buffer.len, buffer.bytes), 1 end
    local count, bytes = struct.unpack(CHUNK, chunks, at)
    at = at + 8
    if count < buffer.len and (buffer.len - count >= max_lines or buffer.bytes - bytes > max_bytes) then
      buffer.len, buffer.bytes, drop = buffer.len - count, buffer.bytes - bytes, drop + count
    else
      local most = buffer.bytes > max_bytes and count or math.min(count, buffer.len - max_lines)
      local lines = redis.call('LRANGE', BUFFER, drop, drop + most - 1)
      if #lines == 0 then break end
      for _, line in ipairs(lines) do
        if buffer.len <= max_lines and buffer.bytes <= max_bytes or buffer.len <= 1 then break end
        buffer.len, buffer.bytes, drop = buffer.len - 1, buffer.bytes - #line, drop + 1
        count, bytes = count - 1, bytes - #line
      end
      if count > 0 then
        chunks, at = struct.pack(CHUNK, count, bytes) .. string.sub(chunks, at), 1
      end
    end
  end
  if drop > 0 then redis.call('LTRIM', BUFFER, drop, -1) end
  buffer.chunks = string.sub(chunks, at)
end

-- A run that something else wrote becomes one of ours, with its lines.
local function take_in_foreign(epoch, server, ttl)
  local length = redis.call('LLEN', BUFFER)
  redis.call('HSET', META, 'epoch', epoch, 'server', server, 'base', 0, 'next', length, 'len', length,
    'bytes', bytes_of(0, -1), 'version', 1, 'fence', 0)
  if redis.call('HEXISTS', META, 'status') == 0 then redis.call('HSET', META, 'status', 'running') end
  expire_all(ttl)
end

-- Pushes lines[from] to lines[to], trims to the caps, never below the newest line.
local function push(buffer, lines, from, to, max_lines, max_bytes)
  local at = from
  while at <= to do
    local last = math.min(at + 999, to)
    redis.call('RPUSH', BUFFER, unpack(lines, at, last))
    at = last + 1
  end
  local count = to - from + 1
  buffer.next = buffer.next + count
  buffer.len = buffer.len + count
  at = from
  while at <= to do
    local last, bytes, chunk_lines = math.min(at + CHUNK_LINES - 1, to), 0, 0
    for i = at, last do bytes = bytes + #lines[i] end
    buffer.bytes = buffer.bytes + bytes
    chunk_lines = last - at + 1
    -- Of few lines at a time there shall not be more chunks than a trim would save to read.
    if count * 128 < max_lines and #buffer.chunks > 0 then
      local lines_before, bytes_before = struct.unpack(CHUNK, buffer.chunks, #buffer.chunks - 7)
      if (lines_before + chunk_lines) * 128 < max_lines then
        buffer.chunks = string.sub(buffer.chunks, 1, -9)
        chunk_lines, bytes = chunk_lines + lines_before, bytes + bytes_before
      end
    end
    buffer.chunks = buffer.chunks .. struct.pack(CHUNK, chunk_lines, bytes)
    at = last + 1
  end
  trim(buffer, math.max(max_lines, 1), max_bytes)
end

-- Sets what every end sets. The caller has stored the last lines and publishes.
local function finish(buffer, status, error, code, now, ttl)
  redis.call('HSET', META, 'status', status, 'expected_log_count', buffer.next, 'next', buffer.next,
    'len', buffer.len, 'bytes', buffer.bytes, 'error', error, 'error_code', code, 'finished_at', now,
    'updated_at', now, 'lease_until', 0)
  redis.call('DEL', OWNER)
  expire_all(ttl)
  return redis.call('HINCRBY', META, 'version', 1)
end
`;

/**
 * What append, end and release have in common: reads the arguments below, answers GONE, RUN_ENDED, FENCED, EPOCH, ORDER or
 * TOO_MANY_PRODUCERS, and otherwise stores the lines and leaves `buffer`, `version`, `changed` to the rest.
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
 * Creates or adopts a run.
 *
 *   ARGV[1] producer, the claim's id · [2] new epoch · [3] owner id, '' creates without one · [4] owner URL
 *   [5] lease, ms · [6] text of the owner key · [7] '1': in spite of a live lease · [8] subject · [9] operation
 *   [10] parent · [11] metadata · [12] line if an earlier owner is replaced · [13] TTL while open, s
 *   [14] max lines · [15] max bytes · [16] wake channel
 *   → { 'OK', epoch, next, version, cancel requested, now, fence, attempt, status, layers, created at }
 *     | { 'RUN_ENDED', status } | { 'OWNED', owner }
 */
export const CLAIM = `${PRELUDE}
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
`;

/**
 * Appends lines; without lines a heartbeat.
 *
 *   After the lines: [+0] layers, '' none · [+1] SHA-1 of the text they replace, '' for none
 *   → { 'OK', epoch, next, version, cancel requested, now, stored layers if ours were not written }
 *     | { 'GONE' } | { 'RUN_ENDED', status } | { 'FENCED' } | { 'EPOCH', epoch, have, next } | { 'ORDER', have }
 *     | { 'TOO_MANY_PRODUCERS' }
 */
export const APPEND = `${PRELUDE}
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
${ANSWER}`;

/**
 * Ends a run with its last lines.
 *
 *   After the lines: [+0] status · [+1] error · [+2] error code · [+3] '1': a result follows · [+4] result, JSON
 *   [+5] TTL from the end, s
 *   → as append
 */
export const END = `${PRELUDE}
local RELEASING, CLOSING = false, true
local end_ttl = tonumber(ARGV[#ARGV])
if not end_ttl then return redis.error_reply('ERR livetail: a number is missing') end
${WRITE}
if ARGV[REST + 3] == '1' then redis.call('SET', RESULT, ARGV[REST + 4]) end
version = finish(buffer, ARGV[REST], ARGV[REST + 1], ARGV[REST + 2], now, end_ttl)
hint(channel, buffer.next, version)
${ANSWER}`;

/**
 * Gives a run back: queued, without an owner.
 *
 *   Nothing after the lines.
 *   → as append
 */
export const RELEASE = `${PRELUDE}
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
${ANSWER}`;

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
export const RECREATE = `${PRELUDE}
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
`;

/**
 * Asks for a cancel.
 *
 *   ARGV[1] TTL from the end, s · [2] wake channel · [3] what stands before an owner's id in its channel · [4] run id
 *   → { 'GONE' } | { 'OK', status, cancel requested }
 */
export const CANCEL = `${PRELUDE}
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
`;

/**
 * One page of a run with its state, of one moment. Writes nothing.
 *
 *   ARGV[1] 'at', 'tail' or 'none' · [2] epoch that the index is of, '' any · [3] index or count · [4] limit, lines
 *   [5] epoch and [6] version that the reader has, '' none · [7..] the names of META_FIELDS
 *   → { now, fields, next, first, index of the first line, lines, layers, totals, all of meta } where the last three
 *     are left out when the reader's version is right, and the last one is there only for a run that something else
 *     writes (it has no version: the reader makes one of what it got); nothing when there is no run
 */
export const READ = `${PRELUDE}
local kind, epoch, index, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not (index and limit) then return redis.error_reply('ERR livetail: a number is missing') end
local fields = redis.call('HMGET', META, unpack(ARGV, 7))
if redis.call('EXISTS', META) == 0 then return false end
local length = redis.call('LLEN', BUFFER)
local stored_epoch, next, foreign = fields[2], integer(fields[4]), not fields[4]
if foreign then
  local expected = math.max(integer(fields[7]), integer(redis.call('HGET', META, 'expected_count')))
  local short = is_terminal(fields[1]) and expected > length
  stored_epoch, next = short and '1' or '0', short and expected or length
else
  next = next + math.max(0, length - integer(fields[5]))
end
local first = next - length
local from = first
if kind == 'tail' then
  from = math.max(first, next - index)
elseif kind == 'at' and (epoch == '' or epoch == stored_epoch) and index > first and index <= next then
  from = index
end
local lines = {}
if kind ~= 'none' and from < next and limit > 0 then
  lines = redis.call('LRANGE', BUFFER, from - first, from - first + limit - 1)
end
if ARGV[5] == stored_epoch and ARGV[6] == fields[6] then
  return { now_ms(), fields, next, first, from, lines }
end
local layers = redis.call('GET', LAYERS) or ''
local totals = {}
local producers = redis.call('HGETALL', PRODUCERS)
for i = 1, #producers, 2 do
  if string.sub(producers[i], 1, 2) == 'c:' then totals[#totals + 1] = producers[i + 1] end
end
if foreign then
  return { now_ms(), fields, next, first, from, lines, layers, totals, redis.call('HGETALL', META) }
end
return { now_ms(), fields, next, first, from, lines, layers, totals }
`;

/**
 * Deletes an ended run.
 *
 *   → { 'GONE' } | { 'OPEN' } | { 'OK', subject, parent }
 */
export const REMOVE = `${PRELUDE}
if redis.call('EXISTS', META) == 0 then return { 'GONE' } end
if not is_terminal(redis.call('HGET', META, 'status')) then return { 'OPEN' } end
local m = redis.call('HMGET', META, 'subject_id', 'parent_id')
redis.call('DEL', META, BUFFER, LAYERS, PRODUCERS, RESULT, CHILDREN, OWNER, SUMMARY)
return { 'OK', m[1] or '', m[2] or '' }
`;

/**
 * Counts a lease that is over, and ends the run of a lost owner or one that nobody started.
 *
 *   ARGV[1] sweeps until lost · [2] new epoch · [3] line of a lost owner · [4] line of a run never started
 *   [5] how long a run waits for an owner, ms · [6] max lines · [7] max bytes · [8] TTL from the end, s
 *   [9] wake channel
 *   → { 'GONE' } | { 'ENDED', error code or '' if it had ended before } | { 'OPEN', when to look again, ms }
 *     | { 'STALLED', sweeps so far }
 */
export const SWEEP = `${PRELUDE}
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
`;
