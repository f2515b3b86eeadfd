/**
 * What the Lua scripts of the Redis store have in common. Each is atomic; none rolls back, so every argument is read
 * and every key type met (by a read) before the first write, and hints are published by pcall at the end.
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

/** Names for the keys, the clock, the server's identity, and what all scripts do to a run. */
export const PRELUDE = `
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
